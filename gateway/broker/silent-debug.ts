import { registerHooks } from 'node:module'

/**
 * mqtt-packet, the parser under aedes, calls `debug` some dozen times for each packet. Even switched off each
 * call makes an array of its arguments: 17 % of what a busy broker allocates, by V8's heap sampler. Switched on
 * it would print what devices send, user names included. So that one package gets a `debug` that does nothing.
 *
 * Import this before anything that imports aedes, and call {@link restoreDebug} after.
 */
const stand = new URL('./silent-debug.cjs', import.meta.url).href

const hooks = registerHooks({
  resolve(specifier, context, next) {
    const isParser =
      specifier === 'debug' && context.parentURL?.includes('/node_modules/mqtt-packet/') === true
    return isParser ? { url: stand, format: 'commonjs', shortCircuit: true } : next(specifier, context)
  },
})

export function restoreDebug(): void {
  hooks.deregister()
}
