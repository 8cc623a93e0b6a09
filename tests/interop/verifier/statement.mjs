// What a source signed: statements, verified in part.

import { data, day, days, integer, text, tuple } from './body.mjs'
import { ascii, join, same, u32be } from './bytes.mjs'
import { decode, encode } from './cbor.mjs'
import { ROWS_MAX, records, schemaNamed, UNDATED } from './columns.mjs'
import { hmac } from './digest.mjs'
import { keyOf, parseSigned, signedBy } from './identity.mjs'
import { hashes, leafHash, rootOfPath, rootOfRange, treeHash } from './merkle.mjs'
import { require } from './refused.mjs'
import { belongs, path } from './tree_of_days.mjs'

const DAYS_MAX = 3_700

export function parseStatement(raw) {
  const object = parseSigned(raw, 'statement', ['v', 'src', 'sub', 'path', 'schema', 'nonce', 'from', 'to', 'root'])
  const { body } = object
  keyOf(body.src)
  keyOf(body.sub)
  path(body.path)
  const schema = schemaNamed(text(body.schema, 'schema'))
  data(body.nonce, 'nonce', 16)
  data(body.root, 'root', 32)
  days(body.from, body.to, 'the days')
  const size = body.to - body.from + 1
  require(size <= DAYS_MAX, 'form', 'a statement is about too many days')
  require((schema.undated === true) === (body.from === UNDATED), 'form', 'days of another kind than the schema')
  signedBy(object, body.src)
  return { ...object, schema, size }
}

const recordSalt = (salt, i) => hmac(salt, join(ascii('leaf'), u32be(i)))
const dayLeaf = (salt, d, count, root) => leafHash(salt, encode([d, count, root]))

function dayRoot(schema, salt, cols, rows) {
  if (schema.leaf === 'page') return leafHash(recordSalt(salt, 0), encode(cols))
  return treeHash(rows.map((row, i) => leafHash(recordSalt(salt, i), encode(row))))
}

// The leaf of a day, from what its page (or a delivery) holds.
export function leafOfDay(statement, { d, count, salt, cols }) {
  const rows = records(statement.body.schema, cols, count, d)
  const root = dayRoot(statement.schema, salt, cols, rows)
  return dayLeaf(hmac(salt, ascii('day')), d, rows.length, root)
}

// Days first … last of a statement, each with its salt and columns, and the proof that blinds the others.
export function holdsFor(statement, first, last, proof, shown) {
  const { from, to, root } = statement.body
  days(first, last, 'the days')
  require(first >= from && last <= to, 'proof', 'days that the statement is not about')
  require(shown.length === last - first + 1, 'proof', 'a day is missing, or one is there twice')
  require(shown.every((one, i) => one.d === first + i), 'proof', 'the days are not dense')
  const leaves = shown.map((one) => leafOfDay(statement, one))
  const found = rootOfRange(statement.size, first - from, leaves, hashes(proof, 'the range proof'))
  require(same(found, root), 'proof', 'this is not what was signed')
}

// [d, salt_d, columns], as a delivery brings a day.
export function parseDay(value) {
  const [d, salt, cols] = tuple(value, 'a day', 3)
  return { d: day(d, 'd'), salt: data(salt, 'salt_d', 32), cols, count: undefined }
}

// One record alone: [d, count, i, s_i, b_d, [hash…], [hash…]].
export function recordHolds(statement, record, proof) {
  const [d, count, i, salt, blind, inDay, inAll] = tuple(decode(proof), 'a proof of a record', 7)
  require(statement.schema.leaf === 'record', 'proof', 'a leaf of this schema is a page')
  integer(count, 'count', 1, ROWS_MAX)
  integer(i, 'i', 0, count - 1)
  day(d, 'd')
  const { from, to, root } = statement.body
  require(d >= from && d <= to, 'proof', 'a day that the statement is not about')
  const leaf = leafHash(data(salt, 's_i', 32), encode(record))
  const rootD = rootOfPath(count, i, leaf, hashes(inDay, 'the path in the day'))
  const top = dayLeaf(data(blind, 'b_d', 32), d, count, rootD)
  const found = rootOfPath(statement.size, d - from, top, hashes(inAll, 'the path in the statement'))
  require(same(found, root), 'proof', 'this is not what was signed')
  return { d, count, i }
}

// Records of another name than the persona that grants are the source's, but not about this person.
export function about(statement, persona) {
  require(statement.body.sub === persona, 'subject', 'the statement is about another persona')
}

// Pages are of a statement by path, schema and CID.
export function isOf(statement, entry) {
  require(entry.statement !== null && same(entry.statement, statement.cid), 'subject', 'a page of another statement')
  require(entry.schema === statement.body.schema, 'subject', 'a page of another schema')
  require(belongs(entry.path, statement.body.path), 'subject', 'a page of another collection')
}
