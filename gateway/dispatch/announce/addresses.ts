import ipaddr from 'ipaddr.js'

/**
 * Where announcements may go. Who may make a subscription must not be able to make the gateway speak to machines that
 * only the gateway reaches (server-side request forgery), so addresses of the public internet are allowed and
 * nothing else: not this machine, private networks, link-local ones with the metadata of clouds, carrier-grade NAT,
 * multicast, or IPv6 that carries an IPv4 address. What the district runs itself is opened by `announce.allowAddresses`.
 */
export type Range = [ipaddr.IPv4 | ipaddr.IPv6, number]

/** Public by its number, but in Azure it is the host itself. */
const ALSO_INTERNAL: readonly Range[] = [ipaddr.parseCIDR('168.63.129.16/32')]

/** Reads `announce.allowAddresses`; throws a RangeError that names the first that is no CIDR. */
export function rangesOf(texts: readonly string[]): Range[] {
  return texts.map((text) => {
    if (!ipaddr.isValidCIDR(text))
      throw new RangeError(`${JSON.stringify(text)} is not a range of addresses such as 10.1.0.0/16`)
    return ipaddr.parseCIDR(text)
  })
}

/** All IPv6 that is handed out (RFC 4291, IANA); `::7f00:1` and its like lie outside. */
const GLOBAL: readonly Range[] = [ipaddr.parseCIDR('2000::/3')]

/** Whether the gateway may connect to the address, a literal of IPv4 or IPv6. */
export function mayConnect(text: string, allowed: readonly Range[]): boolean {
  if (!ipaddr.isValid(text)) return false
  // `::ffff:127.0.0.1` is the same as 127.0.0.1.
  const address = ipaddr.process(text)
  if (isIn(address, allowed)) return true
  if (address.range() !== 'unicast' || isIn(address, ALSO_INTERNAL)) return false
  return address.kind() === 'ipv4' || isIn(address, GLOBAL)
}

function isIn(address: ipaddr.IPv4 | ipaddr.IPv6, ranges: readonly Range[]): boolean {
  return ranges.some((range) => range[0].kind() === address.kind() && address.match(range))
}
