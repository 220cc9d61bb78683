/** What the registry refuses, with a code that programs may rely on and a line for people. */
export type RegistryCode = 'invalid' | 'exists' | 'not_found' | 'busy'

export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: RegistryCode

  constructor(code: RegistryCode, message: string) {
    super(message)
    this.code = code
  }
}
