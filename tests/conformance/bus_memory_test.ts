import { memoryBus } from "../../shared/bus/memory_bus.ts";
import { testBus } from "./bus_suite.ts";

testBus({
  name: "memory",
  create() {
    let bus = memoryBus({ warn() {} });
    let isClosed = false;
    return {
      // All in one step have the same one; the next step has another.
      open() {
        if (isClosed) bus = memoryBus({ warn() {} });
        isClosed = false;
        return { ...bus, close: () => bus.close().then(() => void (isClosed = true)) };
      },
      close: () => bus.close(),
    };
  },
});
