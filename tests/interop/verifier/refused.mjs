// Whatever is not exactly of the form that docs/spec.md describes is refused, and the refusal names
// its class: the same names stand beside the negative vectors.

export class Refused extends Error {
  constructor(kind, sentence) {
    super(sentence)
    this.kind = kind
  }
}

export function refuse(kind, sentence) {
  throw new Refused(kind, sentence)
}

export function require(holds, kind, sentence) {
  if (!holds) refuse(kind, sentence)
}
