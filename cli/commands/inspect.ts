export const command = {} as never;
