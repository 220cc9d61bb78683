/**
 * Reports that are on their way, photos too, kept on the phone until the gateway has them: whoever closes the page in a
 * place without network loses nothing. Without IndexedDB (some private modes) they live as long as the page.
 */
const DATABASE = 'gridwhistle-report'
const OUTBOX = 'outbox'

/** @type {Map<string, any>} */
const memory = new Map()
/** @type {Promise<IDBDatabase> | undefined} */
let opening

function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1)
    request.addEventListener('upgradeneeded', () =>
      request.result.createObjectStore(OUTBOX, { keyPath: 'client' }),
    )
    request.addEventListener('success', () => resolve(request.result))
    request.addEventListener('error', () => reject(request.error))
    request.addEventListener('blocked', () => reject(new Error('blocked')))
  })
  return opening
}

async function run(mode, work) {
  const database = await open()
  return await new Promise((resolve, reject) => {
    const transaction = database.transaction(OUTBOX, mode)
    const request = work(transaction.objectStore(OUTBOX))
    transaction.addEventListener('complete', () => resolve(request.result))
    transaction.addEventListener('abort', () => reject(transaction.error))
  })
}

export async function keep(item) {
  memory.set(item.client, item)
  await run('readwrite', (store) => store.put(item)).catch(() => undefined)
}

export async function forget(client) {
  memory.delete(client)
  await run('readwrite', (store) => store.delete(client)).catch(() => undefined)
}

/** The oldest first. */
export async function kept() {
  const stored = await run('readonly', (store) => store.getAll()).catch(() => [])
  const all = new Map([...stored.map((item) => [item.client, item]), ...memory])
  return [...all.values()].sort((a, b) => a.at - b.at)
}

const TICKETS = 'gridwhistle.tickets'
const REMEMBERED = 10

/** Numbers that this phone was given, the newest first. */
export function myTickets() {
  try {
    const list = JSON.parse(localStorage.getItem(TICKETS) ?? '[]')
    return Array.isArray(list) ? list.filter((one) => /^[0-9A-Z-]{12,20}$/.test(one?.ticket)) : []
  } catch {
    return []
  }
}

export function remember(ticket, title) {
  const others = myTickets().filter((one) => one.ticket !== ticket)
  try {
    localStorage.setItem(
      TICKETS,
      JSON.stringify([{ ticket, title, at: Date.now() }, ...others].slice(0, REMEMBERED)),
    )
  } catch {
    // The number is on the screen, too.
  }
}
