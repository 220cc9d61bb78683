/**
 * What a limit counts a stranger by: an IPv4 address, or the 64 bits of an IPv6 one that its provider gave out (RFC 6177:
 * a home has at least one such network, so whoever sits in it has 2⁶⁴ addresses).
 */
export function addressKey(address: string): string {
  return prefix(address, 4)
}

/**
 * The 48 bits of an IPv6 address that one customer may have for himself (RFC 6177), with 65,536 networks in them; an
 * IPv4 address stands for itself.
 */
export function networkKey(address: string): string {
  return prefix(address, 3)
}

function prefix(address: string, length: number): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped !== null) return mapped[1]!
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('%', 1)[0]!.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after]
  return groups
    .slice(0, length)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')
}
