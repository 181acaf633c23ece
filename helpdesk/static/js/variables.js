// Variables in ready answers, `{customer_name}`: replaced once, by plain text. helpdesk/variables.py has the same rule.
const VARIABLE = /\{([\p{L}_][\p{L}\p{N}_]{0,59})\}/gu;

/** `text` with its known variables replaced; what is unknown or empty stays as it is written. `values` is a Map. */
export const fill = (text, values) => text.replace(VARIABLE, (all, name) => values.get(name) || all);

/** Variables that stand in a text that is about to be sent, as they are written; what is quoted is the customer's. */
export function unfilled(text) {
  if (!text.includes("{")) return [];
  const own = text.split("\n").filter((line) => !line.startsWith(">")).join("\n");
  return [...new Set([...own.matchAll(VARIABLE)].map((found) => found[0]))];
}
