// Revocations, rotations and ends of grants: what enters `R` of a path, and the generation after it.

import { data, integer, list } from './body.mjs'
import { byText, rises, same } from './bytes.mjs'
import { cid } from './digest.mjs'
import { keyOf, parseSigned, signedBy } from './identity.mjs'
import { readGrant } from './granting.mjs'
import { require } from './refused.mjs'
import { generation, path } from './tree_of_days.mjs'

function paths(value) {
  const all = list(value, 'paths', 1)
  for (const one of all) path(one)
  require(rises(all, byText), 'form', 'paths are sorted, none twice')
  return all
}

// `chain`: the delegations root first, down to the one that is taken back.
export function revocation(raw, chain) {
  const object = parseSigned(raw, 'revocation', ['v', 'dlg', 'paths', 'by', 't_ms'])
  const { dlg, by, t_ms: t, paths: named } = object.body
  cid(dlg, 'dlg')
  integer(t, 't_ms', 0)
  keyOf(by)
  paths(named)
  require(same(dlg, chain.at(-1).cid), 'revocation', 'it takes back another grant')
  require(chain.some((link) => link.iss === by), 'revocation', 'by somebody who did not give it')
  signedBy(object, by)
  const granted = readGrant(chain[0]).windows.map((one) => one.collection)
  require(named.every((one) => granted.includes(one)), 'revocation', 'of a path that was not granted')
  return object
}

export function rotation(raw, owners) {
  const object = parseSigned(raw, 'rotation', ['v', 'paths', 'by', 'nonce', 't_ms'])
  const { by, nonce, t_ms: t, paths: named } = object.body
  data(nonce, 'nonce', 16)
  integer(t, 't_ms', 0)
  keyOf(by)
  paths(named)
  require(owners.includes(by), 'revocation', 'by somebody whose vault it is not')
  return signedBy(object, by)
}

function ended(dlg, nowMs) {
  require(dlg.exp !== null && nowMs > dlg.exp * 1000, 'revocation', 'the grant has not ended')
  return dlg
}

export function generationOf(collection, { revocations, rotations, expired }, nowMs) {
  const cids = []
  for (const one of [...revocations, ...rotations]) {
    if (one.body.paths.includes(collection)) cids.push(one.cid)
  }
  for (const dlg of expired) {
    const on = readGrant(ended(dlg, nowMs)).windows.some((one) => one.collection === collection)
    if (on) cids.push(dlg.cid)
  }
  return generation(cids)
}
