/** Sessions at OpenAI Realtime: held to a policy, metered, with tools of the server, kept over isolates. */
export { memorySessionStore } from "./memory_session_store.ts";
export { memoryUsageStore } from "./memory_usage_store.ts";
export { Meter } from "./meter.ts";
export { refuseModel } from "./openai_policy.ts";
export { openAiSessions } from "./openai_sessions.ts";
export { policyStages } from "./policy_stage.ts";
export { rpcSessionStore } from "./rpc_session_store.ts";
export { rpcUsageStore } from "./rpc_usage_store.ts";
export { selectTools } from "./select_tools.ts";
export { toolsStages } from "./tools_stage.ts";
