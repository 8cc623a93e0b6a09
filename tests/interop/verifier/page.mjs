// Pages, the lines that travel with them, and the key of each.

import { inflateSync } from 'node:zlib'
import { data, days, exactly, integer, maybe, text, tuple } from './body.mjs'
import { compare, same } from './bytes.mjs'
import { decode, encode } from './cbor.mjs'
import { records, ROWS_MAX, schemaNamed } from './columns.mjs'
import { cid, kdf, label, sha256 } from './digest.mjs'
import { keyOf } from './identity.mjs'
import { refuse, require } from './refused.mjs'
import { decrypt } from './seal.mjs'
import { descend, path, span } from './tree_of_days.mjs'

const ENTRY_BYTES_MAX = 1_024
const PLAIN_BYTES_MAX = 1_044_480
const PAGE_BYTES_MAX = 1_048_576

export function parseEntry(raw) {
  require(raw.length <= ENTRY_BYTES_MAX, 'form', 'an entry is too large')
  const parts = tuple(decode(raw), 'an entry', 14)
  const [id, salt, collection, d, e, gen, count, len, digest, statement, schema, writer, codec, plainLen] = parts
  keyOf(writer, 'the writer')
  return {
    raw,
    id: data(id, 'page_id', 16),
    salt: data(salt, 'page_salt', 32),
    path: path(collection),
    d: days(d, d, 'the day')[0],
    e: data(e, 'e', 16),
    gen: data(gen, 'gen', 16),
    count: integer(count, 'count', 0, ROWS_MAX),
    len: integer(len, 'len', 1, PAGE_BYTES_MAX),
    digest: data(digest, 'the digest', 32),
    statement: maybe(statement, cid, 'statement'),
    schema: (schemaNamed(text(schema, 'schema')), schema),
    writer,
    codec: integer(codec, 'codec', 0, 1),
    plainLen: integer(plainLen, 'plain_len', 1, PLAIN_BYTES_MAX),
  }
}

export const byPlace = (a, b) => compare(Buffer.from(a.path), Buffer.from(b.path)) || a.d - b.d || compare(a.id, b.id)

export function arrived(entry, page) {
  require(page.length === entry.len && same(sha256(page), entry.digest), 'digest', 'not the page of this entry')
}

// The set with this path, epoch and generation, and in it the one node above the day; nothing else is tried.
export function dayKey(sets, entry) {
  for (const set of sets) {
    if (set.path !== entry.path || !same(set.e, entry.e) || !same(set.gen, entry.gen)) continue
    for (const node of set.nodes) {
      const [first, last] = span(node)
      if (entry.d >= first && entry.d <= last) return descend(node, entry.d)
    }
  }
  return refuse('no-key', 'no key')
}

function unpack(packed, entry, bucket) {
  require(packed.length > 0 && packed.length % bucket === 0, 'padding', 'not whole buckets')
  let plain
  let used
  if (entry.codec === 0) {
    plain = packed.subarray(0, entry.plainLen)
    used = entry.plainLen
  } else {
    try {
      const { buffer, engine } = inflateSync(packed, { maxOutputLength: entry.plainLen + 1, info: true })
      plain = new Uint8Array(buffer)
      used = engine.bytesWritten
    } catch (error) {
      refuse('padding', `the stream does not end as it should: ${error.message}`)
    }
  }
  require(plain.length === entry.plainLen, 'padding', 'plain_len is another')
  const tail = packed.subarray(used)
  require(tail.length < bucket && tail.every((byte) => byte === 0), 'padding', 'the tail is zeros, less than a bucket')
  return plain
}

export function openPage(sets, entry, page) {
  arrived(entry, page)
  const key = kdf(dayKey(sets, entry), 'page', entry.id, entry.salt)
  const aad = encode([
    label('page'), entry.id, entry.e, entry.path, entry.gen, entry.d, entry.schema, entry.statement,
    entry.count, entry.codec, entry.plainLen,
  ])
  const { bucket } = schemaNamed(entry.schema)
  const plain = unpack(decrypt(key, page, aad), entry, bucket)
  const { cols, salt_d: salt } = exactly(decode(plain), 'the plaintext', ['cols', 'salt_d'])
  if (entry.statement === null) require(salt === null, 'form', 'a page without a statement has no salt')
  else data(salt, 'salt_d', 32)
  return { d: entry.d, count: entry.count, salt, cols, rows: records(entry.schema, cols, entry.count, entry.d) }
}
