// What a stranger's JSON-LD processor makes of our documents, without any network.
//
//   node tests/interop/linked_data.mjs < documents.json      {name: document, …}
//
// For each: `quads` (URDNA2015, canonical N-Quads) or `refused`, and whether the document that was
// expanded, flattened and compacted again under its own context says the same.  In safe mode a key,
// type or name that would be dropped is an error.

import jsonld from 'jsonld'

async function documentLoader(url) {
  throw new Error(`a document must not need ${url}`)
}

const SAFE = { safe: true, documentLoader }
const quadsOf = (document) =>
  jsonld.canonize(document, { ...SAFE, algorithm: 'URDNA2015', format: 'application/n-quads' })

async function look(document) {
  try {
    const quads = await quadsOf(document)
    const flat = await jsonld.flatten(await jsonld.expand(document, SAFE), null, SAFE)
    const again = await jsonld.compact(flat, document['@context'], SAFE)
    return { quads, again: (await quadsOf(again)) === quads }
  } catch (error) {
    return { refused: error.details?.event?.code ?? error.message }
  }
}

let text = ''
for await (const chunk of process.stdin) text += chunk
const found = {}
for (const [name, document] of Object.entries(JSON.parse(text))) found[name] = await look(document)
process.stdout.write(JSON.stringify(found))
