/** What an operator sees of an isolate: its log, its metrics, its spans. */
export { Log, log, LOG_LEVELS, type LogFields, type LogLevel, type LogOptions } from "./log.ts";
export { counter, gauge, Histogram, histogram, type Labels, LATENCY_SECONDS, type MetricFamily } from "./metrics.ts";
export type { Described, Sample, Values } from "./metrics.ts";
export { readLogLevel } from "./read_log_level.ts";
export { requestId } from "./request_id.ts";
export { type Attributes, inSpan } from "./span.ts";
