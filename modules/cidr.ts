/**
 * Splits an IPv4 block into equal ones.
 *
 * @param parts a power of two
 */
export function splitCidr(cidr: string, parts: number): string[] {
  const [address = "", bits = ""] = cidr.split("/");
  const prefix = Number(bits) + Math.log2(parts);
  const start = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const size = 2 ** (32 - prefix);
  return Array.from({ length: parts }, (_, index) => {
    const block = start + index * size;
    const octets = [24, 16, 8, 0].map((shift) => Math.floor(block / 2 ** shift) % 256);
    return `${octets.join(".")}/${prefix}`;
  });
}
