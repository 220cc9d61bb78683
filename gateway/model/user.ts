export const ROLES = ['admin', 'district', 'street', 'team', 'viewer'] as const
export type Role = (typeof ROLES)[number]

/** A person or a program that signs in; what it may see follows from role, street and team (contract §5). */
export interface User {
  readonly name: string
  readonly role: Role
  /** Set for `street`. */
  readonly street: string | null
  /** Set for `team`. */
  readonly team: string | null
}

/** Who signs in with the admin token: no device and no other user may have this name. */
export const ADMIN: User = Object.freeze({ name: 'admin', role: 'admin', street: null, team: null })

/** What a sign-in by a token is bound to, beside what its user may. */
export interface Grant {
  /** The token's id. */
  readonly token: string
  /** May change nothing. */
  readonly readOnly: boolean
}

/** Who is at the other end of a connection or request, once it has proved it. */
export type Principal =
  | { readonly type: 'device'; readonly device: string }
  | { readonly type: 'user'; readonly user: User; readonly grant?: Grant }

/** What a proof came to. `expired` is for those alone who had the right secret: null says nothing about why. */
export type Verdict = Principal | 'expired' | null

/** Proof of identity, for every door (MQTT, HTTP). Slow hashes are cached behind it. */
export interface SignIn {
  /**
   * Device id or user name with its secret, or user name with a token of theirs; null when they do not match or the
   * caller tries too fast.
   */
  password(name: string, secret: Uint8Array, address: string): Promise<Verdict>
  /** A verified client certificate's common name: the device id. */
  certificate(commonName: string): Principal | null
  /** An HTTP bearer token: the admin token, a user's secret or token, or `{device}:{secret}`. */
  bearer(token: string, address: string): Promise<Verdict>
}
