// `cb`, strict DAG-CBOR: decode, check, encode again, require the same bytes.

import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { hex, isBytes, same } from './bytes.mjs'
import { Refused, refuse, require } from './refused.mjs'

const DEPTH_MAX = 32
const ITEMS_MAX = 80_000
const I64 = [-(2n ** 63n), 2n ** 63n - 1n]

export const encode = (value) => dagCbor.encode(value)
export const isLink = (value) => CID.asCID(value) !== null
export const linkBytes = (link) => link.bytes

// A CID has one spelling: each number in the fewest bytes.
function shortest({ code, multihash }) {
  return CID.createV1(code, createDigest(multihash.code, multihash.digest)).bytes
}

function integer(value) {
  // A float that happens to be whole would be an integer again here; encoding it again tells.
  if (typeof value === 'number') require(Number.isInteger(value), 'encoding', 'there are no floats')
  else require(value >= I64[0] && value <= I64[1], 'encoding', 'integers are within 64 bits signed')
}

function check(value, links, depth, count) {
  require(depth <= DEPTH_MAX, 'encoding', 'nested too deep')
  require(++count.items <= ITEMS_MAX, 'encoding', 'too many items')
  if (typeof value === 'number' || typeof value === 'bigint') integer(value)
  else if (value === null || typeof value === 'boolean' || typeof value === 'string' || isBytes(value)) return
  else if (isLink(value)) {
    require(links, 'encoding', 'links stand in tokens only')
    require(value.version === 0 || same(shortest(value), value.bytes), 'encoding', 'a link in a longer form')
  } else if (Array.isArray(value)) for (const item of value) check(item, links, depth + 1, count)
  else if (typeof value === 'object') for (const item of Object.values(value)) check(item, links, depth + 1, count)
  else refuse('encoding', `there is no ${typeof value}`)
}

export function decode(bytes, { links = false } = {}) {
  try {
    const value = dagCbor.decode(bytes)
    check(value, links, 1, { items: 0 })
    require(same(dagCbor.encode(value), bytes), 'encoding', 'there is one encoding of a value, and this is another')
    return value
  } catch (error) {
    if (error instanceof Refused) throw error
    return refuse('encoding', `not DAG-CBOR: ${error.message}`)
  }
}

// A value as a vector file writes it.
export function plain(value) {
  if (isBytes(value)) return { hex: hex(value) }
  if (isLink(value)) return { link: value.toString() }
  if (typeof value === 'bigint') return { integer: String(value) }
  if (Array.isArray(value)) return value.map(plain)
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
  }
  return value
}

export function alike(a, b) {
  if (typeof a !== typeof b) return false
  try {
    return same(dagCbor.encode(a), dagCbor.encode(b))
  } catch {
    return false
  }
}
