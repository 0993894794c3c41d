/** A block of IPv4 addresses: the first one as a number, and how many there are. */
interface Block {
  readonly first: number;
  readonly size: number;
}

const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map((text) => block(text)!);

/** What is wrong with an environment's address range, or undefined. */
export function cidrProblem(value: unknown): { what: string; mend?: string } | undefined {
  const given = JSON.stringify(value);
  const range = typeof value === "string" ? block(value) : undefined;
  if (!range || typeof value !== "string") return { what: `${given?.slice(0, 60)} is not an address range.` };
  const prefix = Number(value.split("/")[1]);
  if (prefix < 16 || prefix > 22) return { what: `${given} is a /${prefix}.` };
  if (range.first % range.size !== 0) {
    const aligned = `${address(range.first - (range.first % range.size))}/${prefix}`;
    return { what: `${given} does not begin where a /${prefix} begins.`, mend: `Write "${aligned}".` };
  }
  if (!PRIVATE.some((outer) => contains(outer, range))) return { what: `${given} is not a private range.` };
  return undefined;
}

/** Whether two valid ranges have addresses in common. */
export function overlap(a: string, b: string): boolean {
  const [x, y] = [block(a)!, block(b)!];
  return x.first < y.first + y.size && y.first < x.first + x.size;
}

function block(text: string): Block | undefined {
  // No leading zeros: some readers take them for octal.
  const octet = "(0|[1-9]\\d{0,2})";
  const match = new RegExp(`^${octet}\\.${octet}\\.${octet}\\.${octet}/(\\d|[12]\\d|3[0-2])$`).exec(text);
  if (!match) return undefined;
  const [a, b, c, d, prefix] = match.slice(1).map(Number) as [number, number, number, number, number];
  if ([a, b, c, d].some((part) => part > 255)) return undefined;
  return { first: ((a * 256 + b) * 256 + c) * 256 + d, size: 2 ** (32 - prefix) };
}

const contains = (outer: Block, inner: Block) =>
  outer.first <= inner.first && inner.first + inner.size <= outer.first + outer.size;

const address = (n: number) =>
  [n / 2 ** 24, n / 2 ** 16, n / 2 ** 8, n].map((part) => Math.floor(part) % 256).join(".");
