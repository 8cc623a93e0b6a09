// HPKE of RFC 9180, base mode, one message a context, composed from its parts: DHKEM(X25519,
// HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. And XChaCha20-Poly1305 with its nonce in front.

import { chacha20poly1305, xchacha20poly1305 } from '@noble/ciphers/chacha'
import { x25519 } from '@noble/curves/ed25519'
import { expand, extract } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { ascii, join } from './bytes.mjs'
import { refuse, require } from './refused.mjs'

const NOTHING = new Uint8Array()
const KEM = join(ascii('KEM'), Uint8Array.of(0x00, 0x20))
const SUITE = join(ascii('HPKE'), Uint8Array.of(0x00, 0x20, 0x00, 0x01, 0x00, 0x03))
const VERSION = ascii('HPKE-v1')
const BASE = Uint8Array.of(0)

const drawn = (suite, salt, label, secret) =>
  extract(sha256, join(VERSION, suite, ascii(label), secret), salt)
const spread = (suite, key, label, info, length) =>
  expand(sha256, key, join(Uint8Array.of(length >> 8, length & 255), VERSION, suite, ascii(label), info), length)

function shared(secret, enc) {
  const dh = x25519.getSharedSecret(secret, enc)
  const key = drawn(KEM, NOTHING, 'eae_prk', dh)
  return spread(KEM, key, 'shared_secret', join(enc, x25519.getPublicKey(secret)), 32)
}

export const publicOf = (secret) => x25519.getPublicKey(secret)

export function open(secret, info, sealed, aad = NOTHING) {
  require(sealed.length >= 48, 'sealed', 'too short to be sealed')
  const enc = sealed.subarray(0, 32)
  try {
    const context = join(
      BASE,
      drawn(SUITE, NOTHING, 'psk_id_hash', NOTHING),
      drawn(SUITE, NOTHING, 'info_hash', info),
    )
    const key = drawn(SUITE, shared(secret, enc), 'secret', NOTHING)
    const nonce = spread(SUITE, key, 'base_nonce', context, 12)
    return chacha20poly1305(spread(SUITE, key, 'key', context, 32), nonce, aad).decrypt(sealed.subarray(32))
  } catch {
    return refuse('sealed', 'it does not open')
  }
}

export function decrypt(key, bytes, aad) {
  require(bytes.length >= 40, 'page', 'too short to be encrypted')
  try {
    return xchacha20poly1305(key, bytes.subarray(0, 24), aad).decrypt(bytes.subarray(24))
  } catch {
    return refuse('page', 'it does not open')
  }
}
