/** Sessions at OpenAI Realtime: held to a policy, kept over isolates. */
export { memorySessionStore } from "./memory_session_store.ts";
export { refuseModel } from "./openai_policy.ts";
export { openAiSessions } from "./openai_sessions.ts";
export { policyStages } from "./policy_stage.ts";
export { rpcSessionStore } from "./rpc_session_store.ts";
