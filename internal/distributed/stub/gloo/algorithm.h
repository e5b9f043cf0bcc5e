// c10d includes this header, and needs nothing of it (context.h).
#pragma once
