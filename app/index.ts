import { createApp } from "./server";

/** Fargate ends a task 30 seconds after it asked it to stop; by then the last answer must be out. */
const GRACE_MILLISECONDS = 25_000;

const port = Number(process.env.PORT ?? 8080);
if (!Number.isInteger(port) || port < 0 || port > 65535) {
  console.error(`PORT=${process.env.PORT} is not a port: give a number from 0 to 65535.`);
  process.exit(1);
}

const { server, stop } = createApp({ log: (line) => console.log(line) });
server.listen(port, () => console.log(JSON.stringify({ message: "listening", address: server.address() })));

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, async () => {
    setTimeout(() => process.exit(1), GRACE_MILLISECONDS).unref();
    await stop();
    process.exit(0);
  });
}
