import type { PauseSwitch } from '../simulators/replay-clock.ts'

const CTRL_C = '\u0003'

/** Space, p and SIGUSR2 stop and go on, q ends. Gives the terminal back when the answer is called. */
export function obeyKeys(pause: PauseSwitch): () => void {
  const toggle = (): void => {
    pause.toggle()
    if (process.stderr.isTTY) process.stderr.write(pause.isPaused ? '\npaused\n' : '\ngoing on\n')
  }
  process.on('SIGUSR2', toggle)
  const { stdin } = process
  const hear = (key: Buffer): void => {
    const text = key.toString()
    if (text === ' ' || text === 'p') toggle()
    // A raw terminal makes no signal of Ctrl-C.
    else if (text === 'q' || text === CTRL_C) process.kill(process.pid, 'SIGINT')
  }
  if (stdin.isTTY) stdin.setRawMode(true).on('data', hear)
  return () => {
    process.off('SIGUSR2', toggle)
    if (stdin.isTTY) stdin.off('data', hear).setRawMode(false).pause()
  }
}
