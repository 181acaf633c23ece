// What was typed with the wrong keyboard layout: "vjb" is "мои", "јфзфдфт" was meant in Latin letters. Keys by their place.
const LATIN = "qwertyuiop[]asdfghjkl;'zxcvbnm,.`";
const RUSSIAN = "йцукенгшщзхъфывапролджэячсмитьбюё";
const UKRAINIAN = "йцукенгшщзхїфівапролджєячсмитьбю'";

const table = (from, to) => new Map([...from].map((character, place) => [character, [...to][place]]));
const TABLES = [
  table(LATIN, RUSSIAN),
  table(LATIN, UKRAINIAN),
  table(RUSSIAN, LATIN),
  table(UKRAINIAN, LATIN),
  table(RUSSIAN, UKRAINIAN),
  table(UKRAINIAN, RUSSIAN),
];

/** One spelling for what people type in several: small letters, ё as е, single spaces. */
export const plain = (words) => words.toLocaleLowerCase().normalize("NFC").replaceAll("ё", "е").replace(/\s+/g, " ").trim();

/** What `typed` would be on the same keys of other layouts, without itself. */
export function otherLayouts(typed) {
  const lower = typed.toLocaleLowerCase();
  const changed = TABLES.map((keys) => [...lower].map((character) => keys.get(character) ?? character).join(""));
  return [...new Set(changed)].filter((words) => words !== lower);
}
