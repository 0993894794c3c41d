import { createApp } from "./server";

/** Fargate ends a task 30 seconds after it asked it to stop; by then the last answer must be out. */
const GRACE_MILLISECONDS = 25_000;

const { PORT = "8080" } = process.env;
const port = Number(PORT);
if (!/^\d+$/.test(PORT) || port > 65535) {
  console.error(`PORT=${PORT} is not a port: give a number from 0 to 65535.`);
  process.exit(1);
}

const { server, stop } = createApp({ log: (line) => console.log(line) });
server.once("error", (error) => {
  console.error(`Port ${port} cannot be listened on: ${error.message}`);
  process.exit(1);
});
server.listen(port, () => console.log(JSON.stringify({ message: "listening", address: server.address() })));

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, async () => {
    setTimeout(() => process.exit(1), GRACE_MILLISECONDS).unref();
    await stop();
    process.exit(0);
  });
}
