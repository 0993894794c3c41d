/** In the place of cdktf's: it traces where each token came from, through the source maps of all that stands in between. */
exports.captureStackTrace = () => [];
