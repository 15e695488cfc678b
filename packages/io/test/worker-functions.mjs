export const double = (value) => value * 2;
export default () => "the default";
