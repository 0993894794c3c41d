/**
 * What runs in a function's process: it loads the handler, tells so, and then runs it for each event that comes
 * over the socket. Messages are lines of JSON, both ways. What a handler prints goes to the standard output, and is
 * closed by a line with the mark, so that it can be told which invocation printed what.
 */
export const RUNTIME = String.raw`"use strict";
const { existsSync } = require("node:fs");
const { connect } = require("node:net");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");
const { format, types } = require("node:util");

const [port, mark] = process.argv.splice(2);
const { env } = process;
const print = process.stdout.write.bind(process.stdout);
const socket = connect(Number(port), "127.0.0.1");
const send = (message, sent) => socket.write(JSON.stringify(message) + "\n", sent);
/** The invocation that runs. */
let current;
let loaded = false;

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const asJson = env.AWS_LAMBDA_LOG_FORMAT === "JSON";
const least = asJson ? LEVELS.indexOf(env.AWS_LAMBDA_LOG_LEVEL) : -1;
function log(level, ...parts) {
  if (LEVELS.indexOf(level) < least) return;
  const timestamp = new Date().toISOString();
  const requestId = current?.id;
  let line = format(...parts);
  if (asJson) {
    const error = parts.find(types.isNativeError);
    const details = error && {
      errorType: error.name,
      errorMessage: error.message,
      stackTrace: String(error.stack).split("\n"),
    };
    const [first] = parts;
    const whole = parts.length === 1 && typeof first === "object" && first !== null && !error;
    const fields = (message) => JSON.stringify({ timestamp, level, requestId, message, ...details });
    try {
      line = fields(whole ? first : line);
    } catch {
      line = fields(line);
    }
  } else line = [timestamp, requestId, level, line].join("\t").replaceAll("\n", "\r");
  print(line + "\n");
}
const METHODS = { trace: "TRACE", debug: "DEBUG", log: "INFO", info: "INFO", warn: "WARN", error: "ERROR" };
for (const [method, level] of Object.entries(METHODS)) console[method] = (...parts) => log(level, ...parts);

function describe(error) {
  if (!types.isNativeError(error)) return { errorType: typeof error, errorMessage: String(error), trace: [] };
  return { errorType: error.name, errorMessage: error.message, trace: String(error.stack).split("\n") };
}

const named = (name, message, cause) => Object.assign(new Error(message, { cause }), { name });

async function load() {
  const [, folder, file, path] = /^(.*\/)?([^./]*)\.([^/]+)$/.exec(env._HANDLER) ?? [];
  if (!file) throw named("Runtime.MalformedHandlerName", "Bad handler");
  const base = join(env.LAMBDA_TASK_ROOT, folder ?? "", file);
  const found = [".js", ".mjs", ".cjs"].map((end) => base + end).find((one) => existsSync(one));
  if (!found) {
    throw named("Runtime.ImportModuleError", "Error: Cannot find module '" + (folder ?? "") + file + "'");
  }
  let exported;
  try {
    exported = await loadModule(found);
  } catch (error) {
    if (error instanceof SyntaxError) throw named("Runtime.UserCodeSyntaxError", String(error), error);
    if (/^(ERR_)?MODULE_NOT_FOUND$/.test(error?.code)) {
      throw named("Runtime.ImportModuleError", String(error), error);
    }
    throw error;
  }
  const handler = path.split(".").reduce((at, key) => at?.[key], exported);
  if (typeof handler === "function") return handler;
  throw named("Runtime.HandlerNotFound", env._HANDLER + " is undefined or not exported");
}

async function loadModule(file) {
  try {
    return require(file);
  } catch (error) {
    if (!/^ERR_REQUIRE_(ESM|ASYNC_MODULE)$/.test(error?.code)) throw error;
    return import(pathToFileURL(file).href);
  }
}

function finish(invocation, failed, value) {
  if (current !== invocation) return;
  let payload;
  try {
    payload = failed ? describe(value) : value === undefined ? null : value;
    payload = JSON.stringify(payload) ?? "null";
  } catch {
    failed = true;
    value = new Error("Unable to stringify response body");
    payload = JSON.stringify(describe(value));
  }
  if (failed) log("ERROR", asJson ? value : "Invoke Error \t" + payload);
  answer(failed, payload);
}

function answer(failed, payload, sent) {
  const { id } = current;
  current = undefined;
  socket.ref();
  print(mark + "\n");
  const memory = process.resourceUsage().maxRSS / 1024;
  send({ kind: "result", id, failed, payload, memory, last: sent !== undefined }, sent);
}

function invoke(handler, { id, event, deadline, arn, clientContext }) {
  const invocation = { id };
  current = invocation;
  // The handler's own work alone keeps the process awake: when there is none left, it has nothing to wait for.
  socket.unref();
  const context = {
    callbackWaitsForEmptyEventLoop: true,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    invokedFunctionArn: arn,
    awsRequestId: id,
    clientContext,
    identity: undefined,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  const callback = (error, result) => {
    if (invocation.atLast) return;
    const failed = error !== undefined && error !== null;
    invocation.atLast = () => finish(invocation, failed, failed ? error : result);
    if (!context.callbackWaitsForEmptyEventLoop) invocation.atLast();
  };
  try {
    const promise = handler(JSON.parse(event), context, callback);
    if (typeof promise?.then === "function") {
      promise.then((result) => finish(invocation, false, result), (error) => finish(invocation, true, error));
    }
  } catch (error) {
    finish(invocation, true, error);
  }
}

process.on("beforeExit", () => {
  if (current?.atLast) current.atLast();
  else if (current) finish(current, false, null);
});

function die(error, title, code) {
  const described = describe(error);
  log("ERROR", asJson ? error : title + " \t" + JSON.stringify(described));
  const leave = () => process.exit(code);
  if (current) answer(true, JSON.stringify(described), leave);
  else if (!loaded) send({ kind: "failed", payload: JSON.stringify(described) }, leave);
  else leave();
}
process.on("uncaughtException", (error) => die(error, "Uncaught Exception", 129));
process.on("unhandledRejection", (reason) => {
  const error = named("Runtime.UnhandledPromiseRejection", String(reason), reason);
  die(error, "Unhandled Promise Rejection", 128);
});

socket.on("error", () => {});
socket.on("close", () => process.exit());
load().then(
  (handler) => {
    loaded = true;
    let rest = "";
    socket.setEncoding("utf8").on("data", (text) => {
      const end = text.lastIndexOf("\n");
      if (end < 0) return void (rest += text);
      const lines = rest + text.slice(0, end);
      rest = text.slice(end + 1);
      for (const line of lines.split("\n")) invoke(handler, JSON.parse(line));
    });
    send({ kind: "ready" });
  },
  (error) => die(error, "Uncaught Exception", 129),
);
`;
