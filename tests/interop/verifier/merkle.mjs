// Trees of RFC 9162, 2.1, over the hashes of leaves; proofs of a range, of one leaf, of growth.

import { join, same } from './bytes.mjs'
import { data, list } from './body.mjs'
import { sha256 } from './digest.mjs'
import { refuse, require } from './refused.mjs'

const HASHES_MAX = 64
const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

export const leafHash = (...parts) => sha256(join(LEAF, ...parts))
const nodeHash = (left, right) => sha256(join(NODE, left, right))

function split(n) {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

export function treeHash(leaves) {
  if (leaves.length === 0) return sha256(new Uint8Array())
  if (leaves.length === 1) return leaves[0]
  const k = split(leaves.length)
  return nodeHash(treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)))
}

export function hashes(value, what) {
  return list(value, what, 0, HASHES_MAX).map((hash) => data(hash, `a hash of ${what}`, 32))
}

export function rootOfRange(size, first, leaves, proof) {
  const last = first + leaves.length - 1
  require(leaves.length > 0 && last < size, 'proof', 'the range is not in the tree')
  let next = 0
  const take = () => (next < proof.length ? proof[next++] : refuse('proof', 'the proof has a hash too few'))
  const walk = (from, n) => {
    if (from > last || from + n <= first) return take()
    if (n === 1) return leaves[from - first]
    const k = split(n)
    return nodeHash(walk(from, k), walk(from + k, n - k))
  }
  const root = walk(0, size)
  require(next === proof.length, 'proof', 'the proof has a hash too many')
  return root
}

// From the leaf up, as RFC 9162, 2.1.3.
export function rootOfPath(size, index, leaf, path) {
  require(index < size, 'proof', 'the leaf is not in the tree')
  const walk = (at, n, end) => {
    if (n === 1) {
      require(end === 0, 'proof', 'the path has a hash too many')
      return leaf
    }
    require(end > 0, 'proof', 'the path has a hash too few')
    const k = split(n)
    const other = path[end - 1]
    return at < k ? nodeHash(walk(at, k, end - 1), other) : nodeHash(other, walk(at - k, n - k, end - 1))
  }
  return walk(index, size, path.length)
}

// RFC 9162, 2.1.4.2: that the tree of `first` leaves is the beginning of the one of `second`.
export function grows(first, firstRoot, second, secondRoot, proof) {
  require(first > 0 && first <= second, 'proof', 'a log never shrinks')
  if (first === second) {
    require(proof.length === 0 && same(firstRoot, secondRoot), 'proof', 'one size, two roots')
    return
  }
  const path = (first & (first - 1)) === 0 ? [firstRoot, ...proof] : [...proof]
  require(path.length > 0, 'proof', 'the proof has a hash too few')
  let fn = first - 1
  let sn = second - 1
  while (fn & 1) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)]
  let [fr, sr] = [path[0], path[0]]
  for (const c of path.slice(1)) {
    require(sn !== 0, 'proof', 'the proof has a hash too many')
    if (fn & 1 || fn === sn) {
      fr = nodeHash(c, fr)
      sr = nodeHash(c, sr)
      while (fn !== 0 && !(fn & 1)) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)]
    } else sr = nodeHash(sr, c)
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  require(sn === 0, 'proof', 'the proof has a hash too few')
  require(same(fr, firstRoot) && same(sr, secondRoot), 'proof', 'the proof leads elsewhere')
}
