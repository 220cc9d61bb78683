/** The caller asked for something that cannot be done; the message says what was expected. Commands exit with 2. */
export class WrongUsage extends Error {
  override readonly name: string = 'WrongUsage'
}
