/** Longer side of a photo that is sent, pixels: sharp enough for a number plate, small enough for a weak network. */
const LONGER_SIDE = 1600
const QUALITY = 0.8
/** What the gateway takes of one that could not be made smaller, bytes. */
const LARGEST = 6 * 1024 * 1024

/**
 * A photo as it is sent: made smaller, and without what the camera wrote into it. One that this browser cannot read is
 * taken as it is, if the gateway may take it.
 *
 * @param {Blob} file
 * @returns {Promise<Blob | null>} null for what is no photo
 */
export async function shrunk(file) {
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' })
    const scale = Math.min(1, LONGER_SIDE / Math.max(bitmap.width, bitmap.height))
    const canvas = document.createElement('canvas')
    canvas.width = Math.max(1, Math.round(bitmap.width * scale))
    canvas.height = Math.max(1, Math.round(bitmap.height * scale))
    canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height)
    bitmap.close()
    const blob = await new Promise((resolve) => {
      canvas.toBlob(resolve, 'image/jpeg', QUALITY)
    })
    if (blob !== null) return blob
  } catch {
    // Below.
  }
  const isTaken = ['image/jpeg', 'image/png'].includes(file.type) && file.size <= LARGEST
  return isTaken ? file : null
}

/** A small picture of it, drawn and not linked: no address of a picture is ever made of what people chose. */
export async function thumbnail(blob) {
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = 192
  try {
    const bitmap = await createImageBitmap(blob)
    const side = Math.min(bitmap.width, bitmap.height)
    const [x, y] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2]
    canvas.getContext('2d').drawImage(bitmap, x, y, side, side, 0, 0, 192, 192)
    bitmap.close()
  } catch {
    // An empty square still says that there is one.
  }
  return canvas
}
