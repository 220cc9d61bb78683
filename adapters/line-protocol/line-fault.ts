/** Why a line cannot be read; never leaves the codec. */
export class LineFault extends Error {}
