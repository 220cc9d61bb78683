import type { Role } from '../model/user.ts'

/**
 * Who may use a route. `public` needs no token; `loopback` lets processes of this machine in without one.
 * A route that declares nothing stops the start, so forgetting is not a way in.
 */
export interface Access {
  readonly public?: true
  readonly loopback?: true
  readonly roles?: readonly Role[]
  /** Devices sign in too, to hand in their readings. */
  readonly devices?: true
  /** Credentials as clients of InfluxDB send them are taken too: `Token`, Basic, `u` and `p`. */
  readonly influx?: true
  /** Whatever its method, it changes nothing that others see: tokens that may only read are let in. */
  readonly harmless?: true
}

export const PUBLIC: Access = { public: true }
export const ADMIN: Access = { roles: ['admin'] }
/** Those who hand in readings: devices and gateways for themselves and those they speak for, admins for all. */
export const SOURCES: Access = { roles: ['admin'], devices: true }
/** Those who answer for the whole district. */
export const DISTRICT: Access = { roles: ['admin', 'district'] }
/** Those who see the whole district. */
export const OVERVIEW: Access = { roles: ['admin', 'district', 'viewer'] }
/** Those who answer for a street or more, and those who watch, each within its scope. */
export const STREETS: Access = { roles: ['admin', 'district', 'street', 'viewer'] }
/** Everybody who reads, each within its scope. */
export const READERS: Access = { roles: ['admin', 'district', 'street', 'team', 'viewer'] }
/** Those who answer for a street or more, each within its scope. */
export const SUPERVISORS: Access = { roles: ['admin', 'district', 'street'] }
/** Those who move cases, each within its scope. */
export const ACTORS: Access = { roles: ['admin', 'district', 'street', 'team'] }
/** Everybody about themselves: what they ask for or change is their own. */
export const OWN: Access = { roles: ['admin', 'district', 'street', 'team', 'viewer'] }
