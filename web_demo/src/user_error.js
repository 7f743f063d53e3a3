/** An error for the person at the page: one sentence that says what was wrong, and what to do. */
export class UserError extends Error {}
