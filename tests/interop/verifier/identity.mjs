// DIDs, signed objects, personas and the certificates of their devices.

import { ed25519 } from '@noble/curves/ed25519'
import { sha512 } from '@noble/hashes/sha2.js'
import { base58btc } from 'multiformats/bases/base58'
import { data, exactly, integer, list, text } from './body.mjs'
import { byText, hex, join, littleEndian, rises, same } from './bytes.mjs'
import { decode, encode } from './cbor.mjs'
import { cidOf, label, sha256 } from './digest.mjs'
import { refuse, require } from './refused.mjs'

const DID = 'did:key:'
const ED25519 = Uint8Array.of(0xed, 0x01)
const SIGNED_BYTES_MAX = 262_144
const POINT = ed25519.ExtendedPoint
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n
const CERTIFICATE_S_MAX = 2_592_000
const SKEW_S = 60
const COMMANDS_MAX = 64

// What was found sound once is not computed again: the same DIDs and objects come in many vectors.
const sound = { keys: new Map(), signatures: new Set() }

export const didOf = (key) => DID + base58btc.encode(join(ED25519, key))

export function keyOf(did, what = 'a DID') {
  text(did, what)
  const known = sound.keys.get(did)
  if (known !== undefined) return known
  let bytes
  try {
    bytes = base58btc.decode(did.slice(DID.length))
  } catch {
    bytes = new Uint8Array()
  }
  const whole = bytes.length === 34 && same(bytes.subarray(0, 2), ED25519)
  require(whole && didOf(bytes.subarray(2)) === did, 'key', `${what} is did:key of Ed25519, in its one spelling`)
  const key = checkKey(bytes.subarray(2), what)
  sound.keys.set(did, key)
  return key
}

export function checkKey(key, what) {
  let point
  try {
    point = POINT.fromHex(key)
  } catch {
    refuse('key', `${what} is no point of the curve`)
  }
  require(!point.isSmallOrder(), 'key', `${what} is of small order`)
  return key
}

export function verify(key, signature, message, what) {
  const name = hex(sha256(join(key, signature, message)))
  let holds = sound.signatures.has(name)
  try {
    holds ||= equation(key, signature, message)
  } catch {
    // An R that is no point in its one spelling.
  }
  require(holds, 'signature', `the signature of ${what} does not hold`)
  sound.signatures.add(name)
}

// The library's own check clears the cofactor, and takes R of small order; the page asks for neither.
function equation(key, signature, message) {
  const R = signature.subarray(0, 32)
  const S = littleEndian(signature.subarray(32))
  if (S >= ORDER || POINT.fromHex(R).isSmallOrder()) return false
  const k = littleEndian(sha512(join(R, key, message))) % ORDER
  const found = POINT.BASE.multiplyUnsafe(S).subtract(POINT.fromHex(key).multiplyUnsafe(k))
  return same(found.toRawBytes(), R)
}

// A signed object is ["entrenous/1/<type>", body, sig…]; name and signatures are over the first two.
export function parseSigned(raw, type, keys, signatures = [1], optional = []) {
  require(raw.length <= SIGNED_BYTES_MAX, 'form', `${type} is too large`)
  const parts = list(decode(raw), type, 2)
  require(parts[0] === label(type), 'form', `not a ${type}`)
  const body = exactly(parts[1], type, keys, optional)
  const sigs = parts.slice(2).map((sig) => data(sig, 'a signature', 64))
  require(signatures.includes(sigs.length), 'form', `${type} has ${sigs.length} signatures`)
  const message = encode([parts[0], parts[1]])
  return { type, body, sigs, message, cid: cidOf(message), raw }
}

export function signedBy(object, did, place = 0) {
  verify(keyOf(did, `who signed ${object.type}`), object.sigs[place], object.message, object.type)
  return object
}

export function inception(raw) {
  const object = parseSigned(raw, 'inception', ['v', 'did', 'reader_key', 'next'])
  const { did, reader_key: key, next } = object.body
  keyOf(did)
  data(key, 'reader_key', 32)
  data(next, 'next', 32)
  signedBy(object, did)
  return { ...object, did, key, next }
}

// The reader key in force: the highest n wins, and two different keys with it are an error.
export function readerKey(begun, raws) {
  let best = { n: 0, key: begun.key }
  for (const raw of raws) {
    const object = parseSigned(raw, 'reader-key', ['v', 'did', 'key', 'n'])
    const { did, key, n } = object.body
    data(key, 'key', 32)
    integer(n, 'n', 1)
    require(did === begun.did, 'persona', 'a reader key of another persona')
    signedBy(object, did)
    require(n !== best.n || same(key, best.key), 'persona', 'two reader keys have one number')
    if (n > best.n) best = { n, key }
  }
  return best
}

export function succession(raw, before, after) {
  const object = parseSigned(raw, 'succession', ['v', 'old', 'new'])
  const { old, new: next } = object.body
  require(old === before.did && next === after.did, 'succession', 'it is about other personas')
  signedBy(object, next)
  require(same(sha256(keyOf(next)), before.next), 'succession', 'the old persona named another successor')
  return { old, new: next }
}

const WORDS = /^(?:\/|(?:\/[^/\p{C}\p{Z}]+)+)$/u
const COMMAND_CHARS_MAX = 128

export function command(value, what = 'a command') {
  text(value, what)
  const words = value.length <= COMMAND_CHARS_MAX && WORDS.test(value)
  require(words && value === value.toLowerCase(), 'form', `${what} is words after slashes, lower case`)
  return value
}

export const covers = (wide, narrow) => wide === '/' || narrow === wide || narrow.startsWith(`${wide}/`)

// Does this device serve for this persona, for this command (null: for any), at this moment?
export function certificate(raw, { persona, device, cmd, tMs }) {
  const object = parseSigned(raw, 'certificate', ['v', 'persona', 'device', 'cmds', 'exp'])
  const { body } = object
  keyOf(body.persona)
  keyOf(body.device)
  integer(body.exp, 'exp', 0)
  for (const word of list(body.cmds, 'cmds', 1, COMMANDS_MAX)) command(word)
  require(rises(body.cmds, byText), 'form', 'cmds are sorted, none twice')
  signedBy(object, body.persona)
  require(body.persona === persona, 'certificate', 'it is of another persona')
  require(body.device === device, 'certificate', 'it is for another device')
  require(tMs <= body.exp * 1000, 'certificate', 'it has ended')
  require(body.exp * 1000 <= tMs + (CERTIFICATE_S_MAX + SKEW_S) * 1000, 'certificate', 'it runs for too long')
  if (cmd !== null) {
    require(body.cmds.some((wide) => covers(wide, cmd)), 'certificate', `it is not for ${cmd}`)
  }
  return object
}
