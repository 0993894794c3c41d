import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Where the ports of a container are on this machine, by the port that it believes to listen on. */
export type Ports = Readonly<Record<number, number>>;

/**
 * The private addresses that load balancers and tasks have in their subnets, and where each leads on this machine.
 * An address is given once only, whatever the VPC: subnets of two environments may well have the same range.
 */
export class PrivateNetwork {
  private readonly taken = new Set<string>();
  /** Ports of this machine, by `address:port`. */
  private readonly routes = new Map<string, number>();
  /** Folders of the processes that see the network. */
  private readonly folders = new Map<string, Ports>();

  /**
   * Gives out the highest free address of a subnet.
   *
   * @param cidr as `10.0.1.0/24`
   * @throws Error where none is free
   */
  take(cidr: string): string {
    const [base = "", bits = "32"] = cidr.split("/");
    const size = 2 ** (32 - Number(bits));
    const first = base.split(".").reduce((number, part) => number * 256 + Number(part), 0);
    // As on AWS, the last address and the first four are nobody's.
    for (let host = size - 2; host > 3; host--) {
      const address = [24, 16, 8, 0].map((shift) => ((first + host) >>> shift) & 255).join(".");
      if (this.taken.has(address)) continue;
      this.taken.add(address);
      return address;
    }
    throw new Error(`no address of ${cidr} is free`);
  }

  /** Takes an address back, with all its routes. */
  release(address: string): void {
    this.taken.delete(address);
    for (const route of this.routes.keys()) if (route.startsWith(`${address}:`)) this.routes.delete(route);
    this.tell();
  }

  /** Leads exactly these ports of an address to ports of this machine. */
  route(address: string, ports: Ports): void {
    for (const route of this.routes.keys()) if (route.startsWith(`${address}:`)) this.routes.delete(route);
    for (const [port, local] of Object.entries(ports)) this.routes.set(`${address}:${port}`, local);
    this.tell();
  }

  /** Where an address is on this machine; one that is not the network's leads to itself. */
  resolve(host: string, port: number): Place {
    const local = this.routes.get(`${host}:${port}`);
    return local === undefined ? { host, port } : { host: "127.0.0.1", port: local };
  }

  /**
   * Lets the Node processes that have this option see the network: what they connect to there, and what they listen
   * on themselves.
   *
   * @param folder of theirs alone, for the program and the table that they read
   * @param ports that they listen on
   * @returns the option, for NODE_OPTIONS
   */
  join(folder: string, ports: Ports = {}): string {
    mkdirSync(folder, { recursive: true });
    const program = join(folder, "network.cjs");
    writeFileSync(program, PROGRAM);
    this.folders.set(folder, ports);
    this.write(folder, ports);
    return `--require ${JSON.stringify(program)}`;
  }

  leave(folder: string): void {
    this.folders.delete(folder);
  }

  private tell(): void {
    for (const [folder, ports] of this.folders) this.write(folder, ports);
  }

  private write(folder: string, ports: Ports): void {
    const table = join(folder, "network.json");
    try {
      // One that reads it meanwhile finds the old or the new one, and never a half.
      writeFileSync(`${table}.new`, JSON.stringify({ routes: Object.fromEntries(this.routes), ports }));
      renameSync(`${table}.new`, table);
    } catch {
      // The process has just ended, and its folder is gone.
      this.leave(folder);
    }
  }
}

/** Runs first in each process: connections and listeners go where the table leads them, all others as they are. */
const PROGRAM = `"use strict";
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { Server, Socket } = require("node:net");

const table = () => {
  try {
    return JSON.parse(readFileSync(join(__dirname, "network.json"), "utf8"));
  } catch {
    return { routes: {}, ports: {} };
  }
};
const OWN = ["localhost", "127.0.0.1", "::1"];
const isOptions = (value) => typeof value === "object" && value !== null;
const callbackOf = (args) => args.filter((arg) => typeof arg === "function");

/** The containers of a task share its localhost. */
function localPort(host, port) {
  const { routes, ports } = table();
  return OWN.includes(host) ? ports[port] : routes[host + ":" + port];
}

const { connect } = Socket.prototype;
Socket.prototype.connect = function (...args) {
  const [first] = args;
  // Node itself hands on what it has read of its arguments as a list, the options first.
  const options = Array.isArray(first) ? first[0] : first;
  if (isOptions(options)) {
    const port = localPort(options.host ?? "localhost", options.port);
    if (port === undefined) return connect.apply(this, args);
    const changed = { ...options, host: "127.0.0.1", port };
    if (!Array.isArray(first)) return connect.call(this, changed, ...args.slice(1));
    first[0] = changed;
    return connect.apply(this, args);
  }
  const host = typeof args[1] === "string" ? args[1] : "localhost";
  const port = localPort(host, first);
  return port === undefined ? connect.apply(this, args) : connect.call(this, port, "127.0.0.1", ...callbackOf(args));
};

const { listen } = Server.prototype;
Server.prototype.listen = function (...args) {
  const [first] = args;
  const port = table().ports[isOptions(first) ? first.port : first];
  if (port === undefined) return listen.apply(this, args);
  const options = { ...(isOptions(first) && first), host: "127.0.0.1", port };
  return listen.call(this, options, ...callbackOf(args));
};
`;
