import { type ServerTool, ToolRegistry } from "./server_tool.ts";

/**
 * The tools that `OPENAI_TOOLS` names, separated by commas, of those that a deployment has.
 * @throws {RangeError} that names the variable and the tool which is not there, or the tool which is not valid.
 */
export function selectTools(tools: readonly ServerTool[], names: string): ToolRegistry {
  const wanted = new Set(names.split(",").map((name) => name.trim()).filter((name) => name !== ""));
  return new ToolRegistry([...wanted].map((name) => {
    const tool = tools.find((tool) => tool.name === name);
    if (tool !== undefined) return tool;
    const known = tools.map((tool) => tool.name).join(", ");
    throw new RangeError(`Cannot start as OPENAI_TOOLS names the tool "${name}", which is not one of: ${known}`);
  }));
}
