// What a device vouches for: the pages of one commit, and runs of their entries.

import { data, integer, list, maybe, tuple } from './body.mjs'
import { compare, rises, same } from './bytes.mjs'
import { cid } from './digest.mjs'
import { keyOf, parseSigned, signedBy } from './identity.mjs'
import { hashes, leafHash, rootOfRange, treeHash } from './merkle.mjs'
import { byPlace } from './page.mjs'
import { require } from './refused.mjs'

const ENTRIES_MAX = 65_536

export function parseHead(raw) {
  const object = parseSigned(raw, 'segment', ['v', 'dev', 'seq', 'prev', 'n', 'root', 'supersedes'])
  const { dev, seq, prev, n, root, supersedes } = object.body
  keyOf(dev)
  integer(seq, 'seq', 0)
  maybe(prev, cid, 'prev')
  integer(n, 'n', 1, ENTRIES_MAX)
  require((n & (n - 1)) === 0, 'form', 'a segment is padded to a power of two')
  data(root, 'root', 32)
  for (const one of list(supersedes, 'supersedes')) cid(one, 'supersedes')
  signedBy(object, dev)
  return object
}

function vouched(head, entries) {
  require(rises(entries, byPlace), 'segment', 'entries do not ascend strictly')
  require(entries.every((entry) => entry.writer === head.body.dev), 'writer', 'written by another device')
}

// All of a segment: its entries, and the random leaves after them.
export function whole(head, entries, padding) {
  vouched(head, entries)
  const leaves = [...entries.map((entry) => leafHash(entry.raw)), ...padding]
  require(leaves.length === head.body.n, 'segment', 'it has another number of leaves')
  require(same(treeHash(leaves), head.body.root), 'segment', 'it has another root')
}

// A run: [segment, first, size, [hash…]].
export function parseRun(value) {
  const [segment, first, size, proof] = tuple(value, 'a run', 4)
  return {
    segment: cid(segment, 'segment'),
    first: integer(first, 'first', 0, ENTRIES_MAX - 1),
    size: integer(size, 'size', 1, ENTRIES_MAX),
    proof: hashes(proof, 'the run'),
  }
}

export function runHolds(head, run, entries) {
  require(compare(run.segment, head.cid) === 0, 'segment', 'a run of another segment')
  require(entries.length === run.size, 'segment', 'a run has another number of entries')
  vouched(head, entries)
  const leaves = entries.map((entry) => leafHash(entry.raw))
  require(same(rootOfRange(head.body.n, run.first, leaves, run.proof), head.body.root), 'proof', 'not in this segment')
}
