// UCAN 1.0.0 in one form: delegations, invocations, and the chain from the one to the other.

import { data, exactly, integer, isMap, list, maybe, tuple } from './body.mjs'
import { hex, same } from './bytes.mjs'
import { decode, encode, isLink, linkBytes } from './cbor.mjs'
import { cidOf, isCid } from './digest.mjs'
import { command, covers, keyOf, verify } from './identity.mjs'
import { policy } from './policy.mjs'
import { require } from './refused.mjs'

const VARSIG = Uint8Array.of(0x34, 0x01, 0xed, 0x01, 0xed, 0x01, 0x13, 0x71)
const TOKEN_BYTES_MAX = 65_536
const NONCE_BYTES_MAX = 64
const CHAIN_MAX = 8
const AHEAD_S_MAX = 300

function envelope(raw, tag, keys, optional) {
  require(raw.length <= TOKEN_BYTES_MAX, 'form', 'a token is too large')
  const [signature, content] = tuple(decode(raw, { links: true }), 'an envelope', 2)
  data(signature, 'a signature', 64)
  exactly(content, 'a token', ['h', tag])
  require(same(data(content.h, 'varsig'), VARSIG), 'form', 'signed in another way')
  const claims = exactly(content[tag], 'a token', keys, optional)
  verify(keyOf(claims.iss, 'iss'), signature, encode(content), 'a token')
  command(claims.cmd, 'cmd')
  const nonce = data(claims.nonce, 'nonce')
  require(nonce.length <= NONCE_BYTES_MAX, 'form', 'a nonce is too long')
  maybe(claims.exp, integer, 'exp', 0)
  if ('meta' in claims) require(isMap(claims.meta), 'form', 'meta is a map')
  return { ...claims, raw, cid: cidOf(raw) }
}

export function parseDelegation(raw) {
  const keys = ['iss', 'aud', 'sub', 'cmd', 'pol', 'nonce', 'exp']
  const claims = envelope(raw, 'ucan/dlg@1.0.0', keys, ['nbf', 'meta'])
  keyOf(claims.aud, 'aud')
  maybe(claims.sub, keyOf, 'sub')
  if ('nbf' in claims) integer(claims.nbf, 'nbf', 0)
  return { ...claims, permits: policy(claims.pol) }
}

export function parseInvocation(raw) {
  const keys = ['iss', 'sub', 'cmd', 'args', 'prf', 'nonce', 'exp']
  const claims = envelope(raw, 'ucan/inv@1.0.0', keys, ['aud', 'meta', 'iat', 'cause'])
  keyOf(claims.sub, 'sub')
  require(isMap(claims.args), 'form', 'args are a map')
  for (const link of list(claims.prf, 'prf', 0, CHAIN_MAX)) {
    require(isLink(link) && isCid(linkBytes(link)), 'form', 'a proof is a link to a delegation')
  }
  if ('aud' in claims) keyOf(claims.aud, 'aud')
  if ('iat' in claims) integer(claims.iat, 'iat', 0)
  if ('cause' in claims) require(isLink(claims.cause), 'form', 'a cause is a link')
  return claims
}

function inTime(token, nowMs) {
  if (token.exp !== null) require(nowMs <= token.exp * 1000, 'expired', 'it has ended')
  if ((token.nbf ?? null) !== null) require(nowMs >= token.nbf * 1000, 'not-yet', 'it has not begun')
}

// The links that an invocation names, root first; they may come in any order, each once, and no others.
function named(inv, proofs) {
  require(inv.prf.length === proofs.length, 'chain', 'the proofs are not those that it names')
  const came = new Map(proofs.map((link) => [hex(link.cid), link]))
  const chain = inv.prf.map((link) => came.get(hex(linkBytes(link))))
  const all = new Set(chain).size === chain.length && chain.every((link) => link !== undefined)
  require(all, 'chain', 'the proofs are not those that it names')
  return chain
}

function linked(inv, chain) {
  if (chain.length === 0) {
    require(inv.iss === inv.sub, 'chain', 'in another name without a proof')
    return
  }
  require(chain[0].iss === chain[0].sub, 'chain', 'the first link is not by whom it is about')
  const people = [chain[0].iss, ...chain.map((link) => link.aud)]
  require(new Set(people).size === people.length, 'chain', 'somebody stands in it twice')
  chain.forEach((link, i) => {
    require(link.iss === people[i], 'chain', 'a link is not by whom the one before is for')
    require(link.sub === null || link.sub === inv.sub, 'chain', 'a link is about another')
    require(i === 0 || covers(chain[i - 1].cmd, link.cmd), 'command', 'a link is for more than the one before')
  })
  require(people.at(-1) === inv.iss, 'chain', 'the last link is for another')
}

// The checks of a token in their order: decoding, aud, exp, chain.
export function verifyChain(rawInvocation, rawProofs, { nowMs, device }) {
  const inv = parseInvocation(rawInvocation)
  require(rawProofs.length <= CHAIN_MAX, 'chain', 'a chain is too long')
  const proofs = rawProofs.map(parseDelegation)
  require(inv.aud === device, 'audience', 'it is for another device')
  inTime(inv, nowMs)
  const near = inv.exp !== null && inv.exp * 1000 <= nowMs + AHEAD_S_MAX * 1000
  require(near, 'lifetime', 'an invocation ends within five minutes')
  const chain = named(inv, proofs)
  linked(inv, chain)
  for (const link of chain) {
    inTime(link, nowMs)
    require(covers(link.cmd, inv.cmd), 'command', 'a link is not for this command')
    require(link.permits(inv.args), 'policy', 'a link does not allow these args')
  }
  return { inv, chain }
}
