// Terms, requests, grants in their one form, bundles, and the keysets that follow.

import { remuneration } from './accounts.mjs'
import { data, days, exactly, integer, list, maybe, text, tuple } from './body.mjs'
import { compare, hex, rises, same } from './bytes.mjs'
import { alike, decode, encode } from './cbor.mjs'
import { cid, cidFromText, cidOf, label } from './digest.mjs'
import { keyOf, parseSigned, signedBy } from './identity.mjs'
import { require } from './refused.mjs'
import { open } from './seal.mjs'
import { parseDelegation } from './token.mjs'
import { descend, path, span } from './tree_of_days.mjs'

const WINDOWS_MAX = 64
const TERMS_BYTES_MAX = 32_768
const SETS_MAX = 512
const NODES_MAX = 1_920
const READ = '/record/read'

export function parseTerms(raw) {
  require(raw.length <= TERMS_BYTES_MAX, 'form', 'terms are too large')
  const keys = ['v', 'purpose', 'retention_days', 'recipients', 'remuneration', 'clauses']
  const terms = exactly(decode(raw), 'terms', keys)
  text(terms.purpose, 'purpose')
  integer(terms.retention_days, 'retention_days', 0)
  for (const line of list(terms.recipients, 'recipients', 0, 64)) text(line, 'a recipient')
  const paid = maybe(terms.remuneration, remuneration)
  for (const clause of list(terms.clauses, 'clauses', 0, 64)) {
    const [words, force] = tuple(clause, 'a clause', 2)
    text(words, 'a clause')
    require(['enforced', 'promised'].includes(force), 'form', 'a clause is enforced or promised')
  }
  return { ...terms, paid, cid: cidOf(raw) }
}

export function parseRequest(value) {
  const keys = ['v', 'from_did', 'items', 'purpose', 'terms', 'exp', 'refusal']
  const request = exactly(value, 'a request', keys)
  keyOf(request.from_did, 'from_did')
  const items = list(request.items, 'items', 1, WINDOWS_MAX).map((item) => {
    const [collection, from, to] = tuple(item, 'an item', 3)
    days(from, to, 'the days')
    return { collection: path(collection), from, to }
  })
  integer(request.exp, 'exp', 0)
  text(request.refusal, 'refusal')
  const terms = parseTerms(data(request.terms, 'terms'))
  require(terms.purpose === text(request.purpose, 'purpose'), 'terms', 'its purpose is not that of its terms')
  return { items, terms, request, cid: cidOf(encode(request)) }
}

function windowOf(clause) {
  const [operator, parts] = tuple(clause, 'a window', 2)
  require(operator === 'and' && Array.isArray(parts) && parts.length === 3, 'grant', 'a window is of another form')
  const [[, , collection], [, , from], [, , to]] = parts.map((part) => tuple(part, 'a bound', 3))
  const form = [['==', '.collection', collection], ['>=', '.from', from], ['<=', '.to', to]]
  require(alike(parts, form), 'grant', 'a window is of another form')
  days(from, to, 'the days')
  return { collection: path(collection), from, to }
}

// A delegation of reading, exactly as this page writes one; `place` in the chain, 0 the owner's.
export function readGrant(dlg, place = 0) {
  require(dlg.cmd === READ, 'grant', 'it is not for reading')
  require(dlg.exp !== null, 'grant', 'a grant ends')
  const size = place === 0 ? 3 : 4
  require(Array.isArray(dlg.pol) && dlg.pol.length === size, 'grant', 'its policy is of another form')
  const [purpose, terms, any, under] = dlg.pol.map((part) => list(part, 'a statement', 2, 3))
  require(purpose[0] === '==' && purpose[1] === '.purpose' && purpose.length === 3, 'grant', 'it names no purpose')
  require(terms[0] === '==' && terms[1] === '.terms' && terms.length === 3, 'grant', 'it names no terms')
  require(any[0] === 'or' && any.length === 2, 'grant', 'it names no days')
  const windows = list(any[1], 'the windows', 1, WINDOWS_MAX).map(windowOf)
  if (place > 0) {
    const form = under[0] === '==' && under[1] === `.under[${place - 1}]` && under.length === 3
    require(form, 'grant', 'a sub-delegation names its own terms, at its place')
  }
  return {
    purpose: text(purpose[2], 'purpose'),
    terms: cidFromText(text(terms[2], 'terms'), 'terms'),
    under: place > 0 ? cidFromText(text(under[2], 'terms'), 'terms') : null,
    windows,
  }
}

export function parseBundle(raw) {
  const object = parseSigned(raw, 'bundle', ['v', 'dlg', 'chain', 'terms', 'reader_key'])
  const { body } = object
  const links = [...list(body.chain, 'chain', 0, 7), body.dlg].map((link) => parseDelegation(data(link, 'a link')))
  const dlg = links.at(-1)
  const [root] = links
  data(body.reader_key, 'reader_key', 32)
  require(root.iss === root.sub, 'chain', 'the first link is not by whom it is about')
  links.forEach((link, i) => {
    require(link.sub === root.sub, 'chain', 'a link is about another')
    require(i === 0 || links[i - 1].aud === link.iss, 'chain', 'a link is not by whom the one before is for')
  })
  signedBy(object, dlg.iss)
  const grants = links.map(readGrant)
  const grant = grants.at(-1)
  const terms = parseTerms(data(body.terms, 'terms'))
  const same0 = grants.every((one) => same(one.terms, grants[0].terms) && one.purpose === grants[0].purpose)
  require(same0, 'grant', 'a sub-delegation keeps purpose and terms')
  require(same(terms.cid, grant.under ?? grant.terms), 'terms', 'these are not the terms that it names')
  require(grant.under !== null || terms.purpose === grant.purpose, 'terms', 'the terms are for another purpose')
  return { ...object, links, root, dlg, grant, terms, readerKey: body.reader_key }
}

// A reader's node accepts by itself: its own key, the terms that it asked under, days not wider than asked.
export function asAsked(bundle, asked, readerKey) {
  require(same(bundle.readerKey, readerKey), 'grant', 'for another reader key')
  require(same(bundle.grant.terms, asked.terms.cid), 'terms', 'not the terms that were asked under')
  for (const { collection, from, to } of bundle.grant.windows) {
    const inside = asked.items.some(
      (item) =>
        (collection === item.collection || collection.startsWith(`${item.collection}/`)) &&
        from >= item.from && to <= item.to,
    )
    require(inside, 'grant', 'days that were not asked for')
  }
}

function parseSet(value) {
  const set = exactly(value, 'a set', ['path', 'e', 'gen', 'nodes'])
  path(set.path)
  data(set.e, 'e', 16)
  data(set.gen, 'gen', 16)
  const nodes = list(set.nodes, 'nodes', 0, NODES_MAX).map((node) => {
    const [depth, prefix, key] = tuple(node, 'a node', 3)
    integer(depth, 'depth', 0, 16)
    integer(prefix, 'prefix', 0, 2 ** depth - 1)
    return [depth, prefix, data(key, 'a key', 32)]
  })
  const apart = nodes.every((node, i) => i === 0 || span(nodes[i - 1])[1] < span(node)[0])
  require(apart, 'keyset', 'nodes are ascending and apart')
  return { ...set, nodes }
}

const place = (set) => encode([set.path, set.e, set.gen])

// What a keyset of this bundle opens to. `seen`: the numbers that were taken before.
export function openKeyset(raw, bundle, secret, seen) {
  const object = parseSigned(raw, 'keyset', ['v', 'dlg', 'n', 'sealed'])
  const { dlg, n, sealed } = object.body
  cid(dlg, 'dlg')
  integer(n, 'n', 0)
  data(sealed, 'sealed')
  require(same(dlg, bundle.dlg.cid), 'keyset', 'of another grant')
  signedBy(object, bundle.dlg.iss)
  require(!seen.includes(n), 'replay', 'its number was taken before')
  const info = [label('keys'), dlg, bundle.terms.cid, bundle.dlg.iss, bundle.dlg.aud, bundle.readerKey, n]
  const inside = exactly(decode(open(secret, encode(info), sealed)), 'a keyset', ['k_grant', 'sets'])
  const sets = list(inside.sets, 'sets', 0, SETS_MAX).map(parseSet)
  const places = sets.map(place).sort(compare)
  require(rises(places, compare), 'keyset', 'a generation of a path is there twice')
  const total = sets.reduce((sum, set) => sum + set.nodes.length, 0)
  require(total <= NODES_MAX, 'keyset', 'there are too many nodes')
  return { n, key: data(inside.k_grant, 'k_grant', 32), sets }
}

// What two keysets open together: of a node above another the higher, if both say the same.
export function addUp(held, later) {
  const sums = new Map(held.map((set) => [hex(place(set)), set]))
  for (const set of later) {
    const name = hex(place(set))
    const nodes = [...(sums.get(name)?.nodes ?? []), ...set.nodes]
    sums.set(name, { ...set, nodes: summed(nodes) })
  }
  return [...sums.values()]
}

function summed(nodes) {
  const found = []
  for (const node of nodes.toSorted((a, b) => span(a)[0] - span(b)[0] || a[0] - b[0])) {
    const [first] = span(node)
    const above = found.at(-1)
    if (above === undefined || span(above)[1] < first) found.push(node)
    else require(same(descend(above, first), descend(node, first)), 'keyset', 'another key for one day')
  }
  return found
}
