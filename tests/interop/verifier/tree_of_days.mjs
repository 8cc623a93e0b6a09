// Where the key of a day comes from: epoch, path, generation, and a tree over the days.

import { ascii, compare, join } from './bytes.mjs'
import { text } from './body.mjs'
import { encode } from './cbor.mjs'
import { blake, DAY, kdf, label } from './digest.mjs'
import { require } from './refused.mjs'

const DEPTH = 16
const PATH = /^[a-z0-9-]{1,32}(?:\/[a-z0-9-]{1,32}){0,5}$/
const WHOSE = /^p[1-9][0-9]?(?:-p[1-9][0-9]?){0,7}$/

export function path(value, what = 'a path') {
  text(value, what)
  require(PATH.test(value), 'form', `${what} is 1 to 6 parts`)
  return value
}

// Whether a collection is that of the statement, or the statement's and whose it is after it.
export function belongs(collection, base) {
  if (collection === base) return true
  const rest = collection.startsWith(`${base}/`) ? collection.slice(base.length + 1) : ''
  if (!WHOSE.test(rest)) return false
  const people = rest.split('-').map((one) => Number(one.slice(1)))
  return people.every((one, i) => i === 0 || people[i - 1] < one)
}

export function generation(cids) {
  const named = [...new Map(cids.map((cid) => [cid.join(), cid])).values()].sort(compare)
  return named.length === 0 ? new Uint8Array(16) : blake(128, encode([label('generation'), named]))
}

export const collectionKey = (epochKey, collection, gen) => kdf(epochKey, 'collection', collection, gen)
export const rootKey = (key) => kdf(key, 'days')

const child = (key, bit) => blake(256, join(DAY, Uint8Array.of(bit)), key)

// From a node down to one of its days.
export function descend([depth, prefix, key], d) {
  require(d >> (DEPTH - depth) === prefix, 'no-key', 'the day is not below this node')
  let found = key
  for (let level = depth + 1; level <= DEPTH; level++) found = child(found, (d >> (DEPTH - level)) & 1)
  return found
}

export function nodeKey(root, depth, prefix) {
  let key = root
  for (let level = depth - 1; level >= 0; level--) key = child(key, (prefix >> level) & 1)
  return key
}

export const span = ([depth, prefix]) => [prefix * 2 ** (DEPTH - depth), (prefix + 1) * 2 ** (DEPTH - depth) - 1]

// The fewest nodes whose leaves are exactly the range.
export function cover(first, last) {
  const nodes = []
  let at = first
  while (at <= last) {
    let size = 1
    let depth = DEPTH
    while (depth > 0 && at % (size * 2) === 0 && at + size * 2 - 1 <= last) {
      size *= 2
      depth -= 1
    }
    nodes.push([depth, at / size])
    at += size
  }
  return nodes
}
