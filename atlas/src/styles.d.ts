/** Styles are put in by the bundler. */
declare module "*.css";
