// How two personas come to know each other: the link, /pair/open, its answer, k_pair.

import { data, exactly, integer, list, text, tuple } from './body.mjs'
import { same } from './bytes.mjs'
import { decode } from './cbor.mjs'
import { kdf } from './digest.mjs'
import { certificate, checkKey, didOf, inception } from './identity.mjs'
import { answerFrom } from './reading.mjs'
import { require } from './refused.mjs'
import { verifyChain } from './token.mjs'

const SCHEME = 'entrenous:'
const CHARS_MAX = 2_048
const INVITE_S_MAX = 604_800
const ADDRESSES_MAX = 16

export function parseLink(value, nowMs) {
  require(value.length <= CHARS_MAX && value.startsWith(SCHEME), 'link', 'not a link')
  const encoded = value.slice(SCHEME.length)
  const bytes = new Uint8Array(Buffer.from(encoded, 'base64url'))
  require(Buffer.from(bytes).toString('base64url') === encoded, 'link', 'not base64url, unpadded, in its one spelling')
  const parts = list(decode(bytes), 'a link', 1)
  require(parts[0] === 1, 'version', 'a link of another version')
  const [, device, addresses, secret, exp] = tuple(parts, 'a link', 5)
  checkKey(data(device, 'the device key', 32), 'the device key')
  for (const one of list(addresses, 'addresses', 1, ADDRESSES_MAX)) text(one, 'an address')
  data(secret, 'the secret', 16)
  integer(exp, 'exp', 0)
  require(nowMs < exp * 1000, 'expired', 'the link has ended')
  require(exp * 1000 <= nowMs + INVITE_S_MAX * 1000, 'lifetime', 'the link runs for too long')
  return { device: didOf(device), addresses, secret, exp }
}

function introduction(value, what, more = []) {
  const map = exactly(value, what, [...more, 'inception', 'cert', 'name', 'k', 'addresses'])
  for (const one of list(map.addresses, 'addresses', 0, ADDRESSES_MAX)) text(one, 'an address')
  text(map.name, 'name')
  data(map.cert, 'cert')
  return { map, begun: inception(data(map.inception, 'inception')), k: data(map.k, 'k', 32) }
}

// `device`: the scanner's, which the transport has proved, as the inviter's is in the link.
export function pair({ link, invocation, answer, device, nowMs }) {
  const invited = parseLink(link, nowMs)
  const { inv } = verifyChain(invocation, [], { nowMs, device: invited.device })
  require(inv.cmd === '/pair/open', 'command', 'not a pairing')
  const scanner = introduction(inv.args, 'args', ['v', 'secret'])
  require(same(data(inv.args.secret, 'secret', 16), invited.secret), 'link', 'another secret')
  require(inv.iss === scanner.begun.did && inv.sub === inv.iss, 'audience', 'said by another persona')
  certificate(scanner.map.cert, { persona: scanner.begun.did, device, cmd: null, tMs: nowMs })
  const word = answerFrom(answer, invited.device, inv)
  require(word.body.code === 'ok' && word.body.prev === null, 'form', 'not the answer to a pairing')
  const inviter = introduction(word.body.out, 'out')
  certificate(inviter.map.cert, { persona: inviter.begun.did, device: invited.device, cmd: null, tMs: word.body.t_ms })
  const key = kdf(invited.secret, 'pair', scanner.k, inviter.k, scanner.begun.cid, inviter.begun.cid)
  return { scanner: scanner.begun.did, inviter: inviter.begun.did, key }
}
