// When this browser last heard of the event stream, in whichever tab that is held.
const TRUSTED_MS = 20_000; // the server speaks at least every 15 s
let heardAt = 0;

/** The stream said something. */
export const noteContact = () => void (heardAt = Date.now());

/** The stream broke. */
export const noteLoss = () => void (heardAt = 0);

/** Whether the server knows by the stream what is open here. */
export const isFollowed = () => Date.now() - heardAt < TRUSTED_MS;
