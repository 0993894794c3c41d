// What CloudWatch's clients write (RFC 8949): to know whom a request is about, and to answer an error in its own form.

/** Reads one value; undefined where it cannot be read. */
export function decodeCbor(content: Buffer): unknown {
  try {
    return new Reader(content).value();
  } catch {
    return undefined;
  }
}

/** An object of texts. */
export function encodeCborTexts(fields: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(fields)
    .flat()
    .map((part) => {
      const bytes = Buffer.from(part);
      const head = Buffer.from([0x7a, 0, 0, 0, 0]);
      head.writeUInt32BE(bytes.length, 1);
      return Buffer.concat([head, bytes]);
    });
  return Buffer.concat([Buffer.from([0xa0 | Object.keys(fields).length]), ...parts]);
}

const BREAK = Symbol("break");

class Reader {
  private at = 0;

  constructor(private readonly content: Buffer) {}

  value(): unknown {
    const first = this.content.readUInt8(this.at++);
    const [major, info] = [first >> 5, first & 31];
    if (major === 7) return this.simple(info);
    const endless = info === 31;
    const length = endless ? Number.POSITIVE_INFINITY : this.number(info);
    switch (major) {
      case 0:
        return length;
      case 1:
        return -1 - length;
      case 2:
      case 3: {
        const bytes = endless ? Buffer.concat(this.many(length) as Buffer[]) : this.take(length);
        return major === 3 ? bytes.toString() : bytes;
      }
      case 4:
        return this.many(length);
      case 5: {
        const flat = this.many(length * 2);
        return Object.fromEntries(
          flat.flatMap((key, index) => (index % 2 ? [] : [[String(key), flat[index + 1]]])),
        );
      }
      default:
        // A tag, as of a moment: what it tags is enough.
        return this.value();
    }
  }

  private many(count: number): unknown[] {
    const values: unknown[] = [];
    while (values.length < count) {
      const value = this.value();
      if (value === BREAK) break;
      values.push(value);
    }
    return values;
  }

  private simple(info: number): unknown {
    if (info === 31) return BREAK;
    if (info === 25) return this.take(2) && 0;
    if (info === 26) return this.take(4).readFloatBE();
    if (info === 27) return this.take(8).readDoubleBE();
    return info === 20 ? false : info === 21 ? true : undefined;
  }

  private number(info: number): number {
    if (info < 24) return info;
    if (info === 24) return this.take(1).readUInt8();
    if (info === 25) return this.take(2).readUInt16BE();
    if (info === 26) return this.take(4).readUInt32BE();
    return Number(this.take(8).readBigUInt64BE());
  }

  private take(length: number): Buffer {
    const end = this.at + length;
    if (end > this.content.length) throw new RangeError("CBOR ends too early");
    const bytes = this.content.subarray(this.at, end);
    this.at = end;
    return bytes;
  }
}
