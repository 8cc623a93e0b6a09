// Digests, the one derivation of keys, and how a digest or CID is written.

import { blake2b } from '@noble/hashes/blake2.js'
import { hmac as keyed } from '@noble/hashes/hmac.js'
import { sha256 as sha2 } from '@noble/hashes/sha2.js'
import { base32 } from 'multiformats/bases/base32'
import { ascii, isBytes, join, same } from './bytes.mjs'
import { encode } from './cbor.mjs'
import { require } from './refused.mjs'

const CID_HEAD = Uint8Array.of(0x01, 0x71, 0x12, 0x20)

export const sha256 = (bytes) => sha2(bytes)
export const hmac = (key, bytes) => keyed(sha2, key, bytes)
export const blake = (bits, bytes, key) => blake2b(bytes, { dkLen: bits / 8, key })
export const label = (name) => `entrenous/1/${name}`
export const kdf = (key, name, ...rest) => blake(256, encode([label(name), ...rest]), key)
export const cidOf = (encoded) => join(CID_HEAD, sha256(encoded))
export const inText = (bytes) => base32.encode(bytes)
export const DAY = ascii(label('day'))

export function isCid(value) {
  return isBytes(value) && value.length === 36 && same(value.subarray(0, 4), CID_HEAD)
}

export function cid(value, what) {
  require(isCid(value), 'form', `${what} is a CID`)
  return value
}

export function fromText(text, length, what) {
  let bytes
  try {
    bytes = base32.decode(text)
  } catch {
    bytes = new Uint8Array()
  }
  require(bytes.length === length && inText(bytes) === text, 'form', `${what} is base32 of ${length} bytes`)
  return bytes
}

export const cidFromText = (text, what) => cid(fromText(text, 36, what), what)
