// A read: its args, the offer of a window, receipts, answers, and their leaves in a log.

import { data, day, days, exactly, flag, integer, list, maybe, text, tuple } from './body.mjs'
import { hex, same } from './bytes.mjs'
import { cid, cidFromText, cidOf, hmac, kdf, label } from './digest.mjs'
import { certificate, keyOf, parseSigned, signedBy, verify } from './identity.mjs'
import { hashes, leafHash, treeHash } from './merkle.mjs'
import { arrived, parseEntry } from './page.mjs'
import { require } from './refused.mjs'
import { parseHead, parseRun, runHolds } from './segment.mjs'
import { parseStatement } from './statement.mjs'
import { encode } from './cbor.mjs'
import { path } from './tree_of_days.mjs'

const RECEIPT = [
  'v', 'inv', 'dlg', 'server', 'reader', 'window', 'last', 'entries_root', 'from', 'to', 'pages', 'bytes', 't_ms',
  'prev',
]
const PAGES_MAX = 1_024
const BYTES_MAX = 1_048_576
const CODES = [
  'ok', 'malformed', 'version', 'unpaired', 'unknown-grant', 'expired', 'not-yet', 'audience', 'command', 'days',
  'collection', 'purpose', 'terms', 'replay', 'revoked', 'suspended', 'too-much', 'busy',
]

// Exactly {v, collection, from, to, purpose, terms, under}.
export function readArgs(inv) {
  require(inv.cmd === '/record/read', 'command', 'not a read')
  const args = exactly(inv.args, 'args', ['v', 'collection', 'from', 'to', 'purpose', 'terms', 'under'])
  path(args.collection)
  days(args.from, args.to, 'the days')
  text(args.purpose, 'purpose')
  cidFromText(text(args.terms, 'terms'), 'terms')
  for (const one of list(args.under, 'under', 0, 8)) cidFromText(text(one, 'terms'), 'terms')
  return args
}

function checkReceipt(body) {
  exactly(body, 'a receipt', RECEIPT)
  cid(body.inv, 'inv')
  cid(body.dlg, 'dlg')
  keyOf(body.server)
  keyOf(body.reader)
  integer(body.window, 'window', 0)
  flag(body.last, 'last')
  data(body.entries_root, 'entries_root', 32)
  day(body.from, 'from')
  day(body.to, 'to')
  integer(body.pages, 'pages', 0, PAGES_MAX)
  integer(body.bytes, 'bytes', 0, BYTES_MAX)
  integer(body.t_ms, 't_ms', 0)
  maybe(body.prev, cid, 'prev')
}

// The receipt of a window against the read and the entries that it is about.
export function receiptFits(body, inv, chain, entries) {
  const args = readArgs(inv)
  const fits = (holds, sentence) => require(holds, 'receipt', sentence)
  fits(same(body.inv, inv.cid), 'of another invocation')
  fits(same(body.dlg, chain[0].cid), 'of another grant')
  fits(body.server === inv.aud && body.reader === inv.iss, 'between others')
  fits(body.from <= body.to && body.from >= args.from && body.to <= args.to, 'of days that were not asked for')
  fits(body.window > 0 || body.from === args.from, 'the first window begins where it was asked to')
  fits(!body.last || body.to === args.to, 'the last window ends where it was asked to')
  fits(body.pages === entries.length, 'it counts other pages')
  fits(body.bytes === entries.reduce((sum, entry) => sum + entry.len, 0), 'it counts other bytes')
  fits(body.pages > 0 || (body.window === 0 && body.last), 'an empty window is the only one')
  const root = treeHash(entries.map((entry) => leafHash(entry.raw)))
  fits(same(root, body.entries_root), 'it is for other pages')
  fits(new Set(entries.map((entry) => entry.schema)).size <= 1, 'pages of several schemas')
  fits(new Set(entries.map((entry) => hex(entry.raw))).size === entries.length, 'a page that comes twice')
  for (const entry of entries) {
    fits(entry.path === args.collection, 'a page of another collection')
    fits(entry.d >= body.from && entry.d <= body.to, 'a page of another day')
  }
}

// One signature: what the server says. Two: the reader says it too.
export function parseReceipt(raw) {
  const object = parseSigned(raw, 'receipt', RECEIPT, [1, 2])
  checkReceipt(object.body)
  signedBy(object, object.body.server, 0)
  if (object.sigs.length === 2) signedBy(object, object.body.reader, 1)
  return object
}

// An answer, to a command or in place of pages; `acted` where it was said for another.
export function parseAnswer(raw) {
  const object = parseSigned(raw, 'answer', ['v', 'inv', 'code', 'out', 't_ms', 'prev'], [1], ['acted'])
  const { body } = object
  if ('acted' in body) {
    const { principal, proxy, mandate } = exactly(body.acted, 'acted', ['principal', 'proxy', 'mandate'])
    keyOf(principal)
    keyOf(proxy)
    cid(mandate, 'mandate')
  }
  cid(body.inv, 'inv')
  require(CODES.includes(text(body.code, 'code')), 'form', 'there is no such code')
  require(body.code === 'ok' || body.out === null || typeof body.out === 'string', 'form', 'a refusal is a sentence')
  integer(body.t_ms, 't_ms', 0)
  maybe(body.prev, cid, 'prev')
  return object
}

export function answerFrom(raw, device, inv) {
  const object = signedBy(parseAnswer(raw), device)
  require(same(object.body.inv, inv.cid), 'receipt', 'an answer to another call')
  return object
}

function offeredReceipt(offer, inv, chain, certs, entries) {
  const body = offer.receipt
  checkReceipt(body)
  receiptFits(body, inv, chain, entries)
  const message = encode([label('receipt'), body])
  verify(keyOf(body.server), data(offer.sig, 'sig', 64), message, 'the receipt')
  certified(certs, { persona: inv.sub, device: body.server, cmd: inv.cmd, tMs: body.t_ms })
  return { body, cid: cidOf(message) }
}

// One of the certificates covers; where none does, the last one says why.
export function certified(certs, asked) {
  let why = null
  for (const raw of certs) {
    try {
      return certificate(raw, asked)
    } catch (error) {
      why = error
    }
  }
  if (why !== null) throw why
  return require(false, 'certificate', 'no certificate')
}

function grouped(heads, runs, entries) {
  let at = 0
  for (const run of runs) {
    const head = heads.find((one) => same(one.cid, run.segment))
    require(head !== undefined, 'segment', 'a run of a segment that is not here')
    runHolds(head, run, entries.slice(at, at + run.size))
    at += run.size
  }
  require(at === entries.length, 'segment', 'an entry that is in no run')
}

// An offer and its pages, held against what was asked: all that a reader checks before it signs.
export function window(offer, pages, inv, chain, certs) {
  exactly(offer, 'an offer', ['receipt', 'sig', 'heads', 'entries', 'proofs', 'statements', 'keysets'])
  const entries = list(offer.entries, 'entries', 0, PAGES_MAX).map((raw) => parseEntry(data(raw, 'an entry')))
  const receipt = offeredReceipt(offer, inv, chain, certs, entries)
  const heads = list(offer.heads, 'heads').map((raw) => parseHead(data(raw, 'a head')))
  grouped(heads, list(offer.proofs, 'proofs').map(parseRun), entries)
  for (const head of heads) {
    require(head.body.dev === receipt.body.server, 'writer', 'a segment of another device than the one that serves')
  }
  let at = 0
  const found = entries.map((entry) => {
    const page = pages.subarray(at, at + entry.len)
    at += entry.len
    arrived(entry, page)
    return { entry, page }
  })
  require(at === pages.length, 'digest', 'bytes after the pages')
  const statements = list(offer.statements, 'statements').map((value) => {
    const [raw, first, last, proof] = tuple(value, 'a statement', 4)
    days(first, last, 'the days of a statement')
    require(first >= inv.args.from && last <= inv.args.to, 'receipt', 'a statement of days that were not asked for')
    return { statement: parseStatement(data(raw, 'a statement')), first, last, proof: hashes(proof, 'the range proof') }
  })
  return { receipt, found, statements, keysets: list(offer.keysets, 'keysets', 0, 64) }
}

// The word's place in a log: k_r from k_grant (a receipt) or k_pair (an answer), f, and the leaf's data.
export function logged(word, secret, leafKey) {
  const key = kdf(secret, 'receipt', word.body.inv, word.body.window ?? 0)
  const print = hmac(key, word.cid)
  const leaf = hmac(leafKey, print)
  return { key, print, data: leaf, leaf: leafHash(leaf) }
}

export const leafKeyOf = (logKey, index) => kdf(logKey, 'leaf', index)
