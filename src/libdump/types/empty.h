/* SPDX-License-Identifier: BSD-2-Clause
 * Gives an empty meaning to each row macro that the includer didn't define. */
#ifndef VD_BEGIN
#define VD_BEGIN(t, num, help)
#endif
#ifndef VD_U32
#define VD_U32(t, tag, f, help)
#endif
#ifndef VD_U64
#define VD_U64(t, tag, f, help)
#endif
#ifndef VD_I64
#define VD_I64(t, tag, f, help)
#endif
#ifndef VD_STR
#define VD_STR(t, tag, f, help)
#endif
#ifndef VD_BYTES
#define VD_BYTES(t, tag, f, help)
#endif
#ifndef VD_U32S
#define VD_U32S(t, tag, f, help)
#endif
#ifndef VD_U64S
#define VD_U64S(t, tag, f, help)
#endif
#ifndef VD_LIST
#define VD_LIST(t, tag, sub, f, help)
#endif
#ifndef VD_END
#define VD_END(t)
#endif
