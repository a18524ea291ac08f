/** The explorer: a web server on this machine only, and the page it serves. */
@NullMarked
package org.loupe.app.web;

import org.jspecify.annotations.NullMarked;
