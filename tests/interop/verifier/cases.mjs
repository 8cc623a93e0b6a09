// What a vector asks, by its kind: from the inputs as a file writes them to the outputs that it gives.

import { ed25519 } from '@noble/curves/ed25519'
import { account, deletion, word } from './accounts.mjs'
import { exactly } from './body.mjs'
import { hex, same, unhex } from './bytes.mjs'
import { decode, encode, plain } from './cbor.mjs'
import { parseCheckpoint, proof } from './checkpoint.mjs'
import { cidFromText, cidOf, inText, kdf, label, sha256 } from './digest.mjs'
import { addUp, asAsked, openKeyset, parseBundle, parseRequest } from './granting.mjs'
import { certificate, inception, readerKey, signedBy, succession } from './identity.mjs'
import { line, logBefore } from './lines.mjs'
import { grows, rootOfPath } from './merkle.mjs'
import { openPage, parseEntry } from './page.mjs'
import { pair } from './pairing.mjs'
import {
  answerFrom, certified, leafKeyOf, logged, parseAnswer, parseReceipt, readArgs, receiptFits, window,
} from './reading.mjs'
import { Refused, refuse, require } from './refused.mjs'
import { open, publicOf } from './seal.mjs'
import { parseHead, parseRun, runHolds, whole } from './segment.mjs'
import * as shared from './shared.mjs'
import { about, holdsFor, isOf, parseDay, parseStatement, recordHolds } from './statement.mjs'
import { generationOf, revocation, rotation } from './taking_back.mjs'
import { parseDelegation, parseInvocation, verifyChain } from './token.mjs'
import { collectionKey, cover, nodeKey, rootKey } from './tree_of_days.mjs'

const all = (texts) => texts.map(unhex)
const digestOf = (value) => hex(sha256(encode(value)))
const setsOf = (sets) =>
  sets.map((set) => ({
    path: set.path,
    e: unhex(set.e),
    gen: unhex(set.gen),
    nodes: set.nodes.map(([depth, prefix, key]) => [depth, prefix, unhex(key)]),
  }))
const asSets = (sets) =>
  sets.map((set) => ({
    path: set.path,
    e: hex(set.e),
    gen: hex(set.gen),
    nodes: set.nodes.map(([depth, prefix, key]) => [depth, prefix, hex(key)]),
  }))

function keysets(input) {
  const bundle = parseBundle(unhex(input.bundle))
  const secret = unhex(input.reader_secret)
  require(same(publicOf(secret), bundle.readerKey), 'grant', 'for another reader key')
  const seen = [...(input.seen ?? [])]
  let sets = []
  let key = null
  for (const raw of input.keysets) {
    const opened = openKeyset(unhex(raw), bundle, secret, seen)
    require(key === null || same(key, opened.key), 'keyset', 'k_grant is always the same')
    key = opened.key
    seen.push(opened.n)
    sets = addUp(sets, opened.sets)
  }
  return { bundle, sets, key, n: Math.max(...seen) }
}

// Every page of the vault is tried; each belongs to a segment that its device signed.
function vault({ pages, heads }) {
  const entries = pages.map(({ entry, page }) => ({ entry: parseEntry(unhex(entry)), page: unhex(page) }))
  let at = 0
  for (const { head, size, padding } of heads) {
    whole(parseHead(unhex(head)), entries.slice(at, at + size).map(({ entry }) => entry), all(padding))
    at += size
  }
  require(at === entries.length, 'segment', 'a page that is in no segment')
  for (const { entry, page } of entries) {
    require(page.length === entry.len && same(sha256(page), entry.digest), 'digest', 'not the page of this entry')
  }
  return entries
}

function opens(sets, entry, page) {
  try {
    return openPage(sets, entry, page)
  } catch (error) {
    if (error instanceof Refused && error.kind === 'no-key') return null
    throw error
  }
}

function daysOfPages(sets, found) {
  return found.map(({ entry, page }) => ({ entry, opened: openPage(sets, entry, page) }))
}

// The pages that name a statement, opened, are what its source signed about these days.
function provenance(statements, opened, inv) {
  return statements.map(({ statement, first, last, proof }) => {
    const mine = opened.filter(({ entry }) => entry.statement !== null && same(entry.statement, statement.cid))
    mine.sort((a, b) => a.entry.d - b.entry.d)
    for (const { entry } of mine) isOf(statement, entry)
    holdsFor(statement, first, last, proof, mine.map(({ opened: page }) => page))
    about(statement, inv.sub)
    return { statement: inText(statement.cid), src: statement.body.src, first, last }
  })
}

const KINDS = {
  encoding({ bytes }) {
    const raw = unhex(bytes)
    return { value: plain(decode(raw, { links: true })), cid: inText(cidOf(raw)), digest: inText(sha256(raw)) }
  },

  secret({ secret, list, i }) {
    const next = ed25519.getPublicKey(kdf(unhex(secret), 'next', list, i))
    return { next: hex(next), digest: hex(sha256(next)), backup: hex(publicOf(kdf(unhex(secret), 'backup'))) }
  },

  persona({ inception: raw, reader_keys: later }) {
    const begun = inception(unhex(raw))
    const { n, key } = readerKey(begun, all(later))
    return { did: begun.did, cid: inText(begun.cid), next: hex(begun.next), n, reader_key: hex(key) }
  },

  succession({ old, new: next, succession: raw }) {
    return succession(unhex(raw), inception(unhex(old)), inception(unhex(next)))
  },

  line({ held, k_pair: key, args, to, t_ms: tMs }) {
    const { present, key: next } = line(unhex(held), unhex(key), unhex(args), { to, tMs })
    return { did: present.did, next: hex(present.next), k_pair: hex(next) }
  },

  logs({ known, log, successions }) {
    return { after: hex(logBefore(all(known), unhex(log), all(successions))) }
  },

  certificate({ certificate: raw, persona, device, cmd, t_ms: tMs }) {
    return { cid: inText(certificate(unhex(raw), { persona, device, cmd, tMs }).cid) }
  },

  pairing({ link, invocation, answer, device, now_ms: nowMs }) {
    const asked = { link, invocation: unhex(invocation), answer: unhex(answer), device, nowMs }
    const { scanner, inviter, key } = pair(asked)
    return { scanner, inviter, k_pair: hex(key) }
  },

  keys({ epoch_key: epoch, path, gen, first, last }) {
    const key = collectionKey(unhex(epoch), path, unhex(gen))
    const root = rootKey(key)
    const nodes = cover(first, last).map(([depth, prefix]) => [depth, prefix, hex(nodeKey(root, depth, prefix))])
    return { collection_key: hex(key), root: hex(root), nodes }
  },

  generation({ path, revocations, rotations, expired, owners, now_ms: nowMs }) {
    const gone = {
      revocations: revocations.map((one) => revocation(unhex(one.revocation), all(one.chain).map(parseDelegation))),
      rotations: rotations.map((one) => rotation(unhex(one), owners)),
      expired: all(expired).map(parseDelegation),
    }
    const cids = [...gone.revocations, ...gone.rotations].map((one) => inText(one.cid))
    return { gen: hex(generationOf(path, gone, nowMs)), cids }
  },

  chain({ invocation, proofs, device, now_ms: nowMs }) {
    const { inv, chain } = verifyChain(unhex(invocation), all(proofs), { nowMs, device })
    return { cid: inText(inv.cid), iss: inv.iss, sub: inv.sub, cmd: inv.cmd, chain: chain.map((one) => inText(one.cid)) }
  },

  read({ invocation, proofs, device, now_ms: nowMs }) {
    const { inv, chain } = verifyChain(unhex(invocation), all(proofs), { nowMs, device })
    const { collection, from, to } = readArgs(inv)
    return { collection, from, to, grant: inText(chain[0].cid) }
  },

  request({ args, to }) {
    const said = exactly(decode(unhex(args)), 'args', ['v', 'to', 'request'])
    require(said.to === to, 'audience', 'said to another persona')
    const { items, terms, cid } = parseRequest(said.request)
    return { cid: inText(cid), terms: inText(terms.cid), items: items.map((one) => [one.collection, one.from, one.to]) }
  },

  bundle({ bundle: raw, request, reader_key: key }) {
    const bundle = parseBundle(unhex(raw))
    const asked = request === null ? null : parseRequest(decode(unhex(request)))
    if (asked !== null) asAsked(bundle, asked, unhex(key))
    else require(same(bundle.readerKey, unhex(key)), 'grant', 'for another reader key')
    return {
      cid: inText(bundle.cid),
      request: asked === null ? null : inText(asked.cid),
      grant: inText(bundle.dlg.cid),
      owner: bundle.root.iss,
      reader: bundle.dlg.aud,
      exp: bundle.dlg.exp,
      purpose: bundle.grant.purpose,
      terms: inText(bundle.terms.cid),
      windows: bundle.grant.windows.map((one) => [one.collection, one.from, one.to]),
    }
  },

  keyset(input) {
    const { sets, key, n } = keysets(input)
    return { n, k_grant: hex(key), sets: asSets(sets) }
  },

  page({ entry, page, sets }) {
    const line = parseEntry(unhex(entry))
    const opened = openPage(setsOf(sets), line, unhex(page))
    const salt = opened.salt === null ? null : hex(opened.salt)
    return { writer: line.writer, salt_d: salt, count: opened.count, rows: opened.rows.map(plain), cols: digestOf(opened.cols) }
  },

  // Which pages of a whole vault a reader opens: by page_id, and what stands in them.
  opens({ pages, heads, ...input }) {
    const { sets, bundle } = keysets(input)
    const opened = []
    const granted = []
    for (const { entry, page } of vault({ pages, heads })) {
      const found = opens(sets, entry, page)
      if (found !== null) opened.push([hex(entry.id), digestOf([found.salt, found.cols])])
      const { windows } = bundle.grant
      const covered = windows.some((one) => one.collection === entry.path && entry.d >= one.from && entry.d <= one.to)
      if (covered) granted.push(hex(entry.id))
    }
    require(
      opened.length === granted.length && opened.every(([id], i) => id === granted[i]),
      'no-key',
      'the pages that open are not those that are granted',
    )
    return { tried: pages.length, opened }
  },

  segment({ head: raw, entries, padding, certificates, persona, t_ms: tMs }) {
    const head = parseHead(unhex(raw))
    whole(head, all(entries).map(parseEntry), all(padding))
    certified(all(certificates), { persona, device: head.body.dev, cmd: null, tMs })
    return { cid: inText(head.cid), device: head.body.dev, seq: head.body.seq }
  },

  run({ head: raw, run, entries }) {
    const head = parseHead(unhex(raw))
    runHolds(head, parseRun(decode(unhex(run))), all(entries).map(parseEntry))
    return { segment: inText(head.cid), pages: entries.length }
  },

  // Days of a statement, as a delivery brings them, and a proof that blinds the others.
  statement({ statement: raw, first, last, proof, days, persona }) {
    const statement = parseStatement(unhex(raw))
    about(statement, persona)
    holdsFor(statement, first, last, all(proof), all(days).map((one) => parseDay(decode(one))))
    const { src, sub, path, from, to } = statement.body
    return { cid: inText(statement.cid), src, sub, path, from, to }
  },

  record({ statement: raw, record, proof, persona }) {
    const statement = parseStatement(unhex(raw))
    about(statement, persona)
    const { d, count, i } = recordHolds(statement, decode(unhex(record)), unhex(proof))
    return { cid: inText(statement.cid), src: statement.body.src, d, count, i, record: plain(decode(unhex(record))) }
  },

  delivery({ reader_secret: secret, invocation, parts, device, now_ms: nowMs }) {
    const { inv } = verifyChain(unhex(invocation), [], { nowMs, device })
    require(inv.cmd === '/record/deliver', 'command', 'not a delivery')
    const args = exactly(inv.args, 'args', ['v', 'to', 'nonce', 'statement', 'parts'])
    require(args.parts.length === parts.length, 'digest', 'another number of parts')
    const found = { statement: null, days: [] }
    all(parts).forEach((part, i) => {
      const [digest, length] = args.parts[i]
      require(part.length === length && inText(sha256(part)) === digest, 'digest', 'not the part that was announced')
      const name = cidFromText(args.statement, 'statement')
      const info = encode([label('delivery'), inv.iss, args.to, args.nonce, name, i])
      const opened = decode(open(unhex(secret), info, part))
      if (i === 0) found.statement = parseStatement(opened.shift())
      found.days.push(...opened.map(parseDay))
    })
    const { statement, days } = found
    require(inText(statement.cid) === args.statement, 'subject', 'not the statement that was announced')
    require(statement.body.src === inv.iss, 'subject', 'the source is not the sender')
    about(statement, args.to)
    holdsFor(statement, statement.body.from, statement.body.to, [], days)
    return { statement: inText(statement.cid), src: inv.iss, days: days.length }
  },

  'shared-version'({ version: raw }) {
    const { cid, body } = shared.version(unhex(raw))
    const { by, to, path, id, n, word, record } = body
    return { cid: inText(cid), by, to, path, id: plain(id), n, word, record: plain(record) }
  },

  told({ told: raw }) {
    const { statement, src, sub, record } = shared.told(unhex(raw))
    return { statement: inText(statement.cid), src, sub, record: plain(record) }
  },

  'shared-proof'({ proof: raw }) {
    const found = shared.proof(unhex(raw))
    const copies = found.sides.map((side) => found.copies.copy(side))
    return {
      sides: found.sides,
      personas: found.lines,
      whole: found.whole,
      agree: shared.agree(found),
      versions: found.versions.map((one) => inText(one.cid)),
      told: found.told === null ? null : inText(found.told.statement.cid),
      states: copies.map(({ state }) => state),
      records: copies.map(({ record }) => shared.digest(record)),
    }
  },

  receipt({ receipt: raw, invocation, proofs, entries, certificates }) {
    const receipt = parseReceipt(unhex(raw))
    const { body } = receipt
    const { inv, chain } = verifyChain(unhex(invocation), all(proofs), { nowMs: body.t_ms, device: body.server })
    receiptFits(body, inv, chain, all(entries).map(parseEntry))
    certified(all(certificates), { persona: inv.sub, device: body.server, cmd: inv.cmd, tMs: body.t_ms })
    return { cid: inText(receipt.cid), sides: receipt.sigs.length, window: body.window, pages: body.pages }
  },

  answer({ answer: raw, invocation, certificates, persona, device }) {
    const { body, cid } = answerFrom(unhex(raw), device, parseInvocation(unhex(invocation)))
    certified(all(certificates), { persona, device, cmd: null, tMs: body.t_ms })
    return { cid: inText(cid), code: body.code }
  },

  // A window as it arrives: what a reader checks before it signs, then what it opens and may believe.
  reading({ invocation, proofs, offer: raw, pages, certificates, device, now_ms: nowMs, ...input }) {
    const { inv, chain } = verifyChain(unhex(invocation), all(proofs), { nowMs, device })
    const offer = decode(unhex(raw))
    const { receipt, found, statements, keysets: fresh } = window(offer, unhex(pages), inv, chain, all(certificates))
    const { sets, n } = keysets({ ...input, keysets: fresh.map(hex) })
    const opened = daysOfPages(sets, found)
    return {
      receipt: inText(receipt.cid),
      last: receipt.body.last,
      keys: n,
      days: opened.map(({ entry, opened: page }) => [entry.path, entry.d, page.count]),
      provenance: provenance(statements, opened, inv),
    }
  },

  // A receipt or an answer, as a leaf of a log of this size and root.
  leaf({ word: raw, device, secret, log_key: logKey, index, size, path, root }) {
    const bytes = unhex(raw)
    const word = decode(bytes)[0] === label('answer') ? signedBy(parseAnswer(bytes), device) : parseReceipt(bytes)
    const key = leafKeyOf(unhex(logKey), index)
    const found = logged(word, unhex(secret), key)
    require(same(rootOfPath(size, index, found.leaf, all(path)), unhex(root)), 'proof', 'not in this log')
    return { k_r: hex(found.key), f: hex(found.print), leaf_key: hex(key), data: hex(found.data), leaf: hex(found.leaf) }
  },

  checkpoint({ note }) {
    const { key, size, root, cosigned } = parseCheckpoint(new TextEncoder().encode(note))
    return { log: hex(key), size, root: hex(root), cosigned }
  },

  // A file that shows one word in a log, to whoever has nothing else.
  'log-proof'({ file }) {
    const { word, owner, head, served, called, granted, index, key } = proof(unhex(file))
    const { size, cosigned } = head
    return { word: inText(word.cid), owner: owner.persona, served, called, granted, log: key, index, size, cosigned }
  },

  account({ bundle, receipts, accepted_ms: acceptedMs, end_ms: endMs, now_ms: nowMs }) {
    return account(parseBundle(unhex(bundle)), all(receipts), { acceptedMs, endMs, nowMs })
  },

  word({ type, word: raw, by, to }) {
    return { cid: inText(word(type, unhex(raw), by, to).cid) }
  },

  deletion({ deletion: raw, bundle }) {
    const { cid, body } = deletion(unhex(raw), parseBundle(unhex(bundle)))
    return { cid: inText(cid), pages: body.pages, left: body.left }
  },

  growth({ first, first_root: firstRoot, second, second_root: secondRoot, proof }) {
    grows(first, unhex(firstRoot), second, unhex(secondRoot), all(proof))
    return { grown: second - first }
  },
}

export function run(kind, input) {
  if (!Object.hasOwn(KINDS, kind)) refuse('form', `there is no kind ${kind}`)
  return KINDS[kind](input)
}

export const kinds = Object.keys(KINDS)
