import { constants, platform, setPriority } from 'node:os'

/** Lets the gateway's threads go first, on this machine or in this process; for a thread that has only its own work. */
export function giveWay(): void {
  // Elsewhere than on Linux this would be the priority of the whole process.
  if (platform() === 'linux') setPriority(constants.priority.PRIORITY_LOW)
}
