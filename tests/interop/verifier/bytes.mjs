// Byte strings: how they are written in a vector file, joined, compared and counted.

import { refuse } from './refused.mjs'

const HEX = /^(?:[0-9a-f]{2})*$/

export function unhex(text) {
  if (typeof text !== 'string' || !HEX.test(text)) refuse('form', 'a byte string is lower-case hexadecimal')
  return Uint8Array.from(Buffer.from(text, 'hex'))
}

export const hex = (bytes) => Buffer.from(bytes).toString('hex')
export const ascii = (text) => new TextEncoder().encode(text)
export const isBytes = (value) => value instanceof Uint8Array

export function join(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

export function compare(a, b) {
  return Buffer.compare(a, b)
}

export const same = (a, b) => a.length === b.length && compare(a, b) === 0

export function u32be(n) {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, n)
  return bytes
}

export const littleEndian = (bytes) => BigInt(`0x${hex(Uint8Array.from(bytes).reverse())}`)

export const byText = (a, b) => compare(ascii(a), ascii(b))

// Ascending, and nothing twice.
export function rises(items, order) {
  return items.every((item, i) => i === 0 || order(items[i - 1], item) < 0)
}
