import type { ImportGraph } from "./import_graph.ts";

/** What the files of one layer may import besides each other. */
interface Layer {
  readonly imports: readonly string[];
  /** The npm packages it may use; any where left out. */
  readonly packages?: readonly string[];
}

const KERNEL = ["process", "isolate", "auth", "telemetry", "protocol"];
const PORTS = ["store port", "bus port"];
const SHARED = ["room", "relay", "connection", ...KERNEL, ...PORTS, "store backends", "bus backends"];

/** Who may import whom: imports point one way. A folder of `shared/` without a line here is a violation. */
const LAYERS: Readonly<Record<string, Layer>> = {
  // A browser loads these three.
  "protocol": { imports: [], packages: ["zod"] },
  "client": { imports: ["protocol"], packages: [] },
  "react": { imports: ["client", "protocol"], packages: ["react", "@types/react"] },

  "telemetry": { imports: [], packages: [] },
  "process": { imports: ["telemetry", "protocol"], packages: [] },
  "isolate": { imports: ["telemetry", "protocol"], packages: [] },
  "auth": { imports: ["telemetry", "protocol"] },
  "connection": { imports: KERNEL },

  "store port": { imports: ["protocol"], packages: [] },
  "store backends": { imports: ["store port", "telemetry", "protocol"] },
  "bus port": { imports: ["protocol"], packages: [] },
  "bus backends": { imports: ["bus port", "telemetry", "protocol"] },

  "room": { imports: ["connection", ...KERNEL, ...PORTS] },
  "relay": { imports: ["connection", ...KERNEL] },
  "functions": { imports: SHARED },

  "supabase": { imports: [...SHARED, "client", "react"] },
  "scripts": { imports: [...SHARED, "client", "react", "supabase"] },
  "tests": { imports: [...SHARED, "client", "react", "supabase", "functions", "scripts"] },
};

/**
 * Names each import that points the wrong way, as `FROM -> TO: why`, in the order of the graph: a layer that may not import
 * the other, a package that a layer may not use, one function importing another, one backend importing another.
 */
export function findWrongDirections(graph: ImportGraph): string[] {
  return [...graph].flatMap(([from, imports]) =>
    imports.flatMap((to) => {
      const reason = whyWrong(from, to);
      return reason === undefined ? [] : [`${from} -> ${to}: ${reason}`];
    })
  );
}

function whyWrong(from: string, to: string): string | undefined {
  const layer = layerOf(from);
  const rules = LAYERS[layer];
  if (rules === undefined) return `"${layer}" has no rule`;
  if (!isPath(to)) {
    const isAllowed = rules.packages === undefined || rules.packages.includes(packageOf(to));
    return isAllowed ? undefined : `${layer} may not use this package`;
  }
  const target = layerOf(to);
  if (target !== layer) return rules.imports.includes(target) ? undefined : `${layer} may not import ${target}`;
  if (layer === "functions" && unitOf(from) !== unitOf(to)) return "functions do not import one another";
  if (layer.endsWith(" backends") && isOtherBackend(from, to)) return "backends do not import one another";
  return undefined;
}

/** The layer of a file: its folder in `shared/`, with ports and their backends told apart, or its folder at the root. */
function layerOf(path: string): string {
  const [top = "", unit = "", file] = path.split("/");
  if (top !== "shared") return top;
  if (unit !== "store" && unit !== "bus") return unit;
  return file === `${unit}.ts` ? `${unit} port` : `${unit} backends`;
}

function unitOf(path: string): string {
  return path.split("/").slice(0, 2).join("/");
}

/** Files are named after the backend they belong to (`memory_bus.ts`, `redis_bus.ts`); others of the folder serve all backends. */
function isOtherBackend(from: string, to: string): boolean {
  const [own, other] = [backendOf(from), backendOf(to)];
  return own !== undefined && other !== undefined && own !== other;
}

const BACKENDS = ["memory", "supabase", "realtime", "redis"];

function backendOf(path: string): string | undefined {
  const [, , name = ""] = path.split("/");
  return BACKENDS.find((backend) => name.startsWith(backend));
}

function isPath(specifier: string): boolean {
  return !/^[a-z]+:/.test(specifier);
}

/** `npm:/@scope/name@1.2.3/sub` is `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier.match(/^npm:\/?((?:@[^/]+\/)?[^@/]+)/)?.[1] ?? specifier;
}

/** Names each group of files that import one another in a circle, sorted, as `a.ts, b.ts`; a file that imports itself too. */
export function findCycles(graph: ImportGraph): string[] {
  return stronglyConnected(graph)
    .filter((files) => files.length > 1 || files.some((file) => graph.get(file)?.includes(file)))
    .map((files) => files.sort().join(", "))
    .sort();
}

/** Tarjan's algorithm: the groups of files of which each reaches every other. */
function stronglyConnected(graph: ImportGraph): string[][] {
  const groups: string[][] = [];
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const visit = (file: string): number => {
    const own = index.size;
    index.set(file, own);
    low.set(file, own);
    stack.push(file);
    for (const next of graph.get(file) ?? []) {
      if (!graph.has(next)) continue;
      if (!index.has(next)) low.set(file, Math.min(low.get(file) ?? own, visit(next)));
      else if (stack.includes(next)) low.set(file, Math.min(low.get(file) ?? own, index.get(next) ?? own));
    }
    if (low.get(file) === own) groups.push(stack.splice(stack.indexOf(file)));
    return low.get(file) ?? own;
  };
  for (const file of graph.keys()) if (!index.has(file)) visit(file);
  return groups;
}
